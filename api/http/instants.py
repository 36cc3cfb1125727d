"""From the parts of a written instant (ISO 8601, RFC 3339) to a datetime. Pure."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone

Parts = Mapping[str, str | None]

rfc_3339 = re.compile(
    r"(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)[Tt]"
    r"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)(?:\.(?P<fraction>\d+))?"
    r"(?:[Zz]|(?P<sign>[+-])(?P<off_hour>\d\d):(?P<off_minute>\d\d))",
    re.ASCII,
).fullmatch
"""Matches what has the form of an instant of RFC 3339, in named groups for `instant_of`."""


def instant_of(parts: Parts) -> datetime:
    """Return the instant of a match's named groups, cut off after microseconds.

    `year`, `month`, `day`, `hour`, `minute`; if given, `second` and `fraction`; and for an offset
    other than UTC `sign`, `off_hour` and `off_minute`. Raises ValueError, which names the part that
    is out of range.
    """
    names = ("year", "month", "day", "hour", "minute", "second")
    year, month, day, hour, minute, second = (int(parts[name] or 0) for name in names)
    micro = microseconds(parts["fraction"])
    return datetime(year, month, day, hour, minute, second, micro, _zone(parts))


def microseconds(fraction: str | None) -> int:
    """Return the digits after the decimal point of a second as microseconds, cut off."""
    return int((fraction or "")[:6].ljust(6, "0"))


def _zone(parts: Parts) -> timezone:
    if parts["sign"] is None:
        return UTC
    hours, minutes = int(parts["off_hour"] or 0), int(parts["off_minute"] or 0)
    if hours > 23 or minutes > 59:
        raise ValueError("the offset must be below 24:00, its minutes in 0..59")
    offset = timedelta(hours=hours, minutes=minutes)
    return timezone(-offset if parts["sign"] == "-" else offset)
