"""What `activity keys` prints of keys for people. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from cli.quantities import duration, number, table
from storage.access.api_key import UNKNOWN_TIME, ApiKey
from storage.access.key_view import status

_HEAD = ("ID", "NAME", "SCOPES", "STATUS", "LAST USED", "LIMITS")


def key_table(keys: Sequence[ApiKey], now: datetime) -> str:
    """Return one line for each key, below a line of headings."""
    return table([_HEAD, *(_row(key, now) for key in keys)])


def card(key: ApiKey, now: datetime) -> str:
    """Return every field of a key, one a line."""
    return "\n".join(f"{name:<13} {text}" for name, text in _fields(key, now))


def ends(key: ApiKey, now: datetime) -> str:
    """Return when the key ends, or ended."""
    if key.ends_at is None:
        return "never ends"
    if key.ends_at <= now:
        return f"ended {moment(key.ends_at)}"
    return f"ends {moment(key.ends_at)}, in {duration((key.ends_at - now).total_seconds())}"


def moment(instant: datetime) -> str:
    """Return an instant for people."""
    return f"{instant:%Y-%m-%d %H:%M:%S} UTC"


def _row(key: ApiKey, now: datetime) -> tuple[str, ...]:
    used = f"{key.last_used_at:%Y-%m-%d %H:%M}" if key.last_used_at else "-"
    limits = "; ".join(f"{name} {value}" for name, value in _limits(key).items()) or "-"
    left = (key.ends_at - now).total_seconds() if key.ends_at else 0
    until = f", ends in {duration(left)}" if left > 0 else ""
    told = f"{status(key, now)}{until}".replace("ending, ends", "ends")
    return (key.id, key.name, ",".join(sorted(key.scopes)), told, used, limits)


def _fields(key: ApiKey, now: datetime) -> Iterator[tuple[str, str]]:
    yield "ID", key.id
    yield "Name", key.name
    yield "Scopes", ", ".join(sorted(key.scopes))
    for name, value in _limits(key).items():
        yield name.capitalize(), value
    yield "Status", f"{status(key, now)}, {ends(key, now)}"
    imported = key.created_at == UNKNOWN_TIME
    yield "Created", "not known: imported from a file" if imported else moment(key.created_at)
    for name, instant in (("Expires", key.expires_at), ("Revoked", key.revoked_at)):
        if instant:
            yield name, moment(instant)
    yield "Last used", moment(key.last_used_at) if key.last_used_at else "not recorded"


def _limits(key: ApiKey) -> Mapping[str, str]:
    limits = {
        "components": " ".join(key.components),
        "environments": " ".join(key.environments),
        "rate": f"{number(key.events_per_second)}/s" if key.events_per_second else "",
        "daily": f"{number(key.events_per_day)} events" if key.events_per_day else "",
        "origins": " ".join(key.origins),
    }
    return {name: text for name, text in limits.items() if text}
