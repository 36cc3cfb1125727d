"""Checks of a queue that fails over: what its servers must be told for that."""

from cli.doctor.check import Check, Finding, ok, warning
from cli.doctor.redis_facts import RedisFacts
from cli.doctor.server_checks import of_each_server
from cli.doctor.subject import Subject

_LASTS = "on every server, and in its configuration"


def _failover(_: Subject, queue: RedisFacts) -> Finding:
    queue.ping()
    if not queue.has_failover:
        return ok("the queue is one server")
    if queue.setting("min-replicas-to-write") == "0":
        return warning(
            "the queue has min-replicas-to-write 0: a primary that was cut off takes events until "
            "it learns of its failover, and these are lost",
            f"{queue.command('CONFIG', 'SET', 'min-replicas-to-write', '1')}, {_LASTS}",
        )
    return ok("a primary without a replica takes no events (min-replicas-to-write)")


CHECKS = (
    Check(
        "queue-failover",
        "`min-replicas-to-write` of a queue under Sentinels",
        "0",
        "",
        of_each_server(_failover),
    ),
)
