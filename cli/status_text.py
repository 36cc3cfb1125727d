"""What `activity status` prints for people: the verdict first. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cli.quantities import UNKNOWN, counted, duration, number, size

Service = Mapping[str, Any]
"""The answer of GET /status. A figure that could not be read is null or missing."""


def status_text(
    url: str,
    service: Service | None,
    processes: Sequence[tuple[str, int]] | None,
    version: str,
    refusal: str = "",
) -> str:
    """Return verdict, figures and processes.

    `processes`: role and number of each, None if they are unknown. `version`: the version of this
    command. `refusal`: why there is no answer, if there is none.
    """
    rows = _processes(processes)
    if service is None:
        return "\n".join([f"UNKNOWN: {refusal}", url, *rows])
    return "\n".join(
        [
            verdict(service),
            *(f"  ! {text}" for text in service.get("attention", ())),
            _origin(url, service, version),
            "",
            *(f"{name:<14} {text}" for name, text in _figures(service)),
            *rows,
        ]
    )


def _processes(processes: Sequence[tuple[str, int]] | None) -> list[str]:
    if processes is None:
        return []
    return ["", "Processes", *(f"  {role:<14} {pid:>8}" for role, pid in processes)]


def verdict(service: Service) -> str:
    """Return one line: is everything well?"""
    concerns = len(service.get("attention", ()))
    if concerns or service.get("status") != "ok":
        return f"ATTENTION: {counted(concerns, 'thing')} to look at"
    return "OK: every accepted event is accounted for"


def _origin(url: str, service: Service, version: str) -> str:
    """Return which service answered, its version, and for how long it has run."""
    answered = service.get("version") or UNKNOWN
    difference = "" if answered == version else f" (this command: {version})"
    return f"{url}, version {answered}{difference}, up {duration(service.get('uptime_seconds'))}"


def _figures(service: Service) -> Iterator[tuple[str, str]]:
    accounts = service.get("conservation") or {}
    yield "Backlog", _backlog(service)
    rate = service.get("stored_per_second")
    yield "Storing", UNKNOWN if rate is None else f"{counted(rate, 'event')} a second"
    yield "Workers", _workers(service)
    for standby in service.get("standbys", ()):
        yield "Standby", _standby(standby)
    yield "Dead letters", number(service.get("dead_letters"))
    yield "Accepted", _accepted(accounts)
    yield "In PostgreSQL", _in_postgresql(accounts)
    yield "Balance", _balance(accounts)


def _backlog(service: Service) -> str:
    backlog = service.get("backlog")
    if not backlog:
        return counted(backlog, "event")
    return (
        f"{counted(backlog, 'event')}, {size(service.get('backlog_bytes'))}; "
        f"the oldest has waited {duration(service.get('lag_seconds'))}"
    )


def _workers(service: Service) -> str:
    workers = number(service.get("workers"))
    if "workers_wanted" not in service:  # a service of an earlier version
        return workers
    return f"{workers} (wanted: {number(service['workers_wanted'])})"


def _standby(standby: Service) -> str:
    name, state = standby["name"], standby["state"]
    if state == "away":
        return f"{name}: can't be used, readers use the primary"
    if state == "unknown":
        return f"{name}: readers use the primary: it is unknown which commits it must have"
    lag = f"{size(standby.get('lag_bytes'))} ({duration(standby.get('lag_seconds'))}) behind"
    return f"{name}: {'readers use it' if state == 'reading' else 'readers use the primary'}, {lag}"


def _accepted(accounts: Service) -> str:
    since = accounts.get("since")
    when = f" since {since[:19].replace('T', ' ')} UTC" if since else ""
    return f"{counted(accounts.get('accepted'), 'event')}{when}"


def _in_postgresql(accounts: Service) -> str:
    accounted = accounts.get("accounted")
    if accounted is None:
        return UNKNOWN
    text = f"{counted(accounted, 'event')}: stored, duplicates, dead letters and erased"
    untrimmed = accounts.get("untrimmed")
    if untrimmed == 0:
        return text
    return f"{text}; {number(untrimmed)} of them not yet removed from the queue"


def _balance(accounts: Service) -> str:
    balanced = accounts.get("balanced")
    if balanced is None:
        return UNKNOWN
    if balanced:
        return "every event is accounted for"
    missing = counted(accounts.get("queue_unaccounted"), "event")
    text = f"not every event is accounted for; {missing} unaccounted for in the queue"
    if lost := accounts.get("lost"):
        return f"{text}; {counted(lost, 'acknowledged event')} may be lost"
    return text
