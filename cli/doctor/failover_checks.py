"""Checks of a queue that fails over: what its servers must be told for that."""

from cli.doctor.check import Check, Finding, ok, warning
from cli.doctor.redis_facts import RedisFacts
from cli.doctor.server_checks import of_each_server
from cli.doctor.subject import Subject

_LASTS = "on every server, and in its configuration"


def _failover(_: Subject, queue: RedisFacts) -> Finding:
    queue.ping()
    if queue.topology is None:
        return ok("the queue is one server")
    if queue.topology == "cluster":
        return _of_cluster(queue)
    if queue.setting("min-replicas-to-write") == "0":
        return warning(
            "the queue has min-replicas-to-write 0: a primary that was cut off takes events until "
            "it learns of its failover, and these are lost",
            f"{queue.command('CONFIG', 'SET', 'min-replicas-to-write', '1')}, {_LASTS}",
        )
    return ok("a primary without a replica takes no events (min-replicas-to-write)")


def _of_cluster(queue: RedisFacts) -> Finding:
    if queue.setting("cluster-require-full-coverage") == "yes":
        return warning(
            f"{queue.name} has cluster-require-full-coverage yes: while one primary is away, none "
            "of the others takes events",
            f"{queue.command('CONFIG', 'SET', 'cluster-require-full-coverage', 'no')}, {_LASTS}",
        )
    if not int(queue.told("connected_slaves")):
        return warning(
            f"{queue.name} has no replica: its events wait until it is back",
            "add a replica, or move one there (CLUSTER REPLICATE)",
        )
    return ok("each primary has a replica, and others take events while one is away")


CHECKS = (
    Check(
        "queue-failover",
        "`min-replicas-to-write` under Sentinels; `cluster-require-full-coverage` and replicas of "
        "a cluster",
        "0; `yes`, or a primary without a replica",
        "",
        of_each_server(_failover),
    ),
)
