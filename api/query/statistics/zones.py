"""Names of time zones, as the IANA lists them."""

from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from storage.model.suggestion import nearest


def zone_of(name: str) -> ZoneInfo:
    """Return the zone of that name, in any case. Raises ValueError, with the nearest name."""
    found = _names().get(name.lower())
    if found is None:
        near = nearest(name.lower(), _names())
        hint = f"; did you mean {_names()[near]}?" if near else ""
        raise ValueError(f"is not a time zone such as Europe/Berlin or UTC{hint}")
    return ZoneInfo(found)


@cache
def _names() -> dict[str, str]:
    """Return every name, by itself in lower case. Reading them takes a moment, once."""
    return {name.lower(): name for name in sorted(available_timezones())}
