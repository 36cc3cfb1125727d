"""Checks of control: it may lose everything, but must never be full; and of the workers on it."""

from cli.doctor.check import Check, Finding, fault, ok, warning
from cli.doctor.server_checks import answers, version
from cli.doctor.subject import Subject
from cli.quantities import counted, size

# The generations of the cache would be old, too, so the pages would pass for current ones.
_STALE = "so a crash may bring back old pages, which the cache then serves as current ones"
_LASTS = "and set it in the configuration of control, so that it lasts"
_FIT = ("volatile-lru", "volatile-lfu", "volatile-ttl", "volatile-random")


def _eviction(subject: Subject) -> Finding:
    control = subject.control
    policy, limit = control.told("maxmemory_policy"), int(control.told("maxmemory"))
    if policy in _FIT and limit:
        return ok(f"control has maxmemory-policy {policy} and {size(limit)} at most")
    if policy in _FIT:
        return warning(
            f"control has maxmemory-policy {policy} and no maxmemory, so cached pages may take all "
            "the memory of its machine",
            f"{control.command('CONFIG', 'SET', 'maxmemory', '256mb')}, {_LASTS}",
        )
    remedy = f"{control.command('CONFIG', 'SET', 'maxmemory-policy', 'volatile-lru')}, {_LASTS}"
    if policy != "noeviction":
        return fault(
            f"control has maxmemory-policy {policy}, so it may delete RQ's jobs and the pending "
            "tags that keep pages from being stale",
            remedy,
        )
    when = "when it is full" if limit else "and no maxmemory"
    return warning(
        f"control has maxmemory-policy noeviction {when}: cached pages are never removed early to "
        "make room for drains",
        remedy,
    )


def _persistence(subject: Subject) -> Finding:
    control = subject.control
    if control.told("aof_enabled"):
        return fault(
            f"control has appendonly yes, {_STALE}",
            f"{control.command('CONFIG', 'SET', 'appendonly', 'no')}, {_LASTS}",
        )
    if save := control.setting("save"):
        return fault(
            f"control has save {save!r}, {_STALE}",
            f"{control.command('CONFIG', 'SET', 'save', '')}, {_LASTS}",
        )
    return ok("control keeps nothing on disk")


def _rights(subject: Subject) -> Finding:
    refused = subject.control.refused_uses
    if not refused:
        return ok("this user has the rights that the service needs on control")
    first = next(iter(refused.values()))
    return fault(
        f"this user lacks rights on control, so {'; '.join(refused)}: {first}",
        'give it every right that docs/security.md lists for control ("The fewest rights on the '
        'queue and on control"); nothing need be restarted',
    )


def _workers(subject: Subject) -> Finding:
    found = subject.control.registry
    if found.live:
        return ok(f"{counted(found.live, 'worker')} registered")
    gone = f"; {counted(found.stale, 'worker')} ended without a word" if found.stale else ""
    return fault(
        f"no worker is registered, so events are accepted and wait{gone}",
        subject.activity("worker"),
    )


def _refused_jobs(subject: Subject) -> Finding:
    refused = subject.control.registry.refused_jobs
    if not refused:
        return ok("no entry of RQ's list was refused lately")
    return warning(
        f"{counted(refused, 'entry', 'entries')} of RQ's list were not drains and were dropped: "
        "another program writes to control",
        "give control a password and a user of its own (docs/security.md), then: "
        + subject.control.command("DEL", "rq:refused:drain"),
    )


CHECKS = (
    answers("control"),
    version("control"),
    Check(
        "control-eviction",
        "`maxmemory-policy`, `maxmemory`",
        "`noeviction`, or no limit",
        "any `allkeys-` policy",
        _eviction,
    ),
    Check("control-persistence", "`appendonly`, `save`", "", "not off", _persistence),
    Check(
        "control-rights",
        "what this user may do with keys and channels",
        "",
        "a right is missing",
        _rights,
    ),
    Check("workers", "RQ's registry", "", "no worker lives", _workers),
    Check("refused-jobs", "dropped entries of RQ's list", "any, for an hour", "", _refused_jobs),
)
