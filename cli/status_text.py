"""What `activity status` says to people: the verdict first. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

UNKNOWN = "unknown"
_UNITS = ("bytes", "KiB", "MiB", "GiB")

Service = Mapping[str, Any]
"""The answer of GET /status. A figure that could not be asked for is null, or not there."""


def status_text(
    url: str, service: Service | None, processes: Sequence[tuple[str, int]], version: str
) -> str:
    """Verdict, figures and processes. `version`: of this command."""
    rows = [f"  {role:<14} {pid:>8}" for role, pid in processes]
    if service is None:
        return "\n".join(["UNKNOWN: no API process answers", url, "", "Processes", *rows])
    return "\n".join(
        [
            verdict(service),
            *(f"  ! {text}" for text in service.get("attention", ())),
            _where(url, service, version),
            "",
            *(f"{name:<14} {text}" for name, text in _figures(service)),
            "",
            "Processes",
            *rows,
        ]
    )


def verdict(service: Service) -> str:
    """In one line."""
    concerns = len(service.get("attention", ()))
    if concerns or service.get("status") != "ok":
        return f"ATTENTION: {concerns:,} {'thing' if concerns == 1 else 'things'} to look at"
    return "OK: every accepted event is accounted for"


def duration(seconds: float | None) -> str:
    """In the two largest units."""
    if seconds is None:
        return UNKNOWN
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days:,} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"


def size(count: int | None) -> str:
    """A number of bytes."""
    if count is None:
        return f"{UNKNOWN} size"
    scaled, unit = float(count), 0
    while scaled >= 1024 and unit < len(_UNITS) - 1:
        scaled, unit = scaled / 1024, unit + 1
    return f"{scaled:,.1f} {_UNITS[unit]}" if unit else f"{count:,} bytes"


def number(count: float | None, digits: int = 0) -> str:
    """With thousands separators."""
    return UNKNOWN if count is None else f"{count:,.{digits}f}"


def _where(url: str, service: Service, version: str) -> str:
    theirs = service.get("version") or UNKNOWN
    other = "" if theirs == version else f" (this command: {version})"
    return f"{url}, version {theirs}{other}, up {duration(service.get('uptime_seconds'))}"


def _figures(service: Service) -> Iterator[tuple[str, str]]:
    accounts = service.get("conservation") or {}
    yield "Backlog", _backlog(service)
    rate = service.get("stored_per_second")
    yield "Storing", UNKNOWN if rate is None else f"{number(rate)} events a second"
    yield "Workers", number(service.get("workers"))
    yield "Dead letters", number(service.get("dead_letters"))
    since = (
        f" since {accounts['since'][:19].replace('T', ' ')} UTC" if accounts.get("since") else ""
    )
    yield "Accepted", f"{number(accounts.get('accepted'))} events{since}"
    yield (
        "In PostgreSQL",
        f"{number(accounts.get('accounted'))} accounted for (stored, duplicates, dead letters), "
        f"{number(accounts.get('untrimmed'))} of them about to leave the queue",
    )
    yield "Balance", _balance(accounts)


def _backlog(service: Service) -> str:
    if service.get("backlog") is None:
        return UNKNOWN
    waits = f"{number(service.get('backlog'))} events wait, {size(service.get('backlog_bytes'))}"
    if service.get("backlog") == 0:
        return waits
    return f"{waits}; the oldest for {duration(service.get('lag_seconds'))}"


def _balance(accounts: Service) -> str:
    balanced = accounts.get("balanced")
    if balanced is None:
        return UNKNOWN
    if balanced:
        return "every event is accounted for"
    return f"events are not accounted for; {number(accounts.get('queue_unaccounted'))} in the queue"
