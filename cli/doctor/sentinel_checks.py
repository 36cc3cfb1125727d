"""The check of the Sentinels that watch the queue: whether they can be sure of the primary."""

from collections.abc import Mapping

from cli.doctor.check import Check, Finding, ok, warning
from cli.doctor.subject import Subject
from cli.quantities import counted
from storage.redis.primary_lease import MIN_DOWN_AFTER_SECONDS, Told
from storage.redis.sentinel import ask_each
from storage.redis_hosts import redis_hosts

_MIN_MS = round(MIN_DOWN_AFTER_SECONDS * 1000)


def _sentinels(subject: Subject) -> Finding:
    subject.queue.ping()
    hosts = redis_hosts(subject.settings.queue_url)
    if hosts is None or hosts.kind != "sentinel":
        return ok("no Sentinels watch the queue")
    return judge(ask_each(hosts), hosts.service)


def judge(answers: Mapping[str, Told | str], service: str) -> Finding:
    """Return the finding of what each Sentinel told of the primary, or why it told nothing."""
    silent = [f"{name} ({why})" for name, why in answers.items() if isinstance(why, str)]
    if silent:
        return warning(
            f"these Sentinels tell nothing of the primary: {', '.join(silent)}; so a failover "
            "takes longer",
            "start them; or take them out of ACTIVITY_QUEUE_URL, and run SENTINEL RESET "
            f"{service} on each of the others",
        )
    told = {name: each for name, each in answers.items() if not isinstance(each, str)}
    for name, each in told.items():
        if each.down_after < MIN_DOWN_AFTER_SECONDS:
            return warning(
                f"the Sentinel {name} has down-after-milliseconds {each.down_after * 1000:g}: it "
                "asks once a second, so a slow answer begins a failover, and with "
                "ACTIVITY_QUEUE_REPLICAS nothing is accepted while a Sentinel is away",
                f"SENTINEL SET {service} down-after-milliseconds {_MIN_MS}, or more, on each",
            )
        if each.sentinels != len(answers):
            return warning(
                f"the Sentinel {name} counts {counted(each.sentinels, 'Sentinel')}, and "
                f"ACTIVITY_QUEUE_URL names {len(answers)}; so with ACTIVITY_QUEUE_REPLICAS events "
                "are refused for longer after a failover",
                "name every Sentinel in ACTIVITY_QUEUE_URL; if it counts some that are gone, run "
                f"SENTINEL RESET {service} on each, one after the other",
            )
    return ok(f"{counted(len(told), 'Sentinel')} watch the primary, and know of each other")


CHECKS = (
    Check(
        "queue-sentinels",
        "each Sentinel of the address: whether it answers, `down-after-milliseconds`, how many "
        "Sentinels it counts",
        f"no answer; below {_MIN_MS}; not as many as the address names",
        "",
        _sentinels,
    ),
)
