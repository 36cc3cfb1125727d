"""Names of time zones, as the IANA lists them."""

from difflib import get_close_matches
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

_COMPARED = 40  # characters: comparing takes time in proportion to their square


def zone_of(name: str) -> ZoneInfo:
    """Return the zone of that name, in any case. Raises ValueError, with the nearest name."""
    found = _names().get(name.lower())
    if found is None:
        nearest = get_close_matches(name[:_COMPARED].lower(), list(_names()), n=1)
        hint = f"; did you mean {_names()[nearest[0]]}?" if nearest else ""
        raise ValueError(f"is not a time zone such as Europe/Berlin or UTC{hint}")
    return ZoneInfo(found)


@cache
def _names() -> dict[str, str]:
    """Return every name, by itself in lower case. Reading them takes a moment, once."""
    return {name.lower(): name for name in sorted(available_timezones())}
