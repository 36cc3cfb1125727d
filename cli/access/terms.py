"""Parse durations, dates and rates from the command line. Pure."""

import re
from argparse import ArgumentTypeError
from datetime import UTC, datetime, timedelta

from storage.postgres.instants import FIRST, LAST

_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_has_form = re.compile(r"([0-9]{1,9})([smhdw])").fullmatch
_is_rate = re.compile(r"([0-9]{1,12})(?:/s)?").fullmatch
_MAX_DURATION = timedelta(days=36_500)


def duration(text: str) -> timedelta:
    """Parse a duration, such as `90d`."""
    found = _has_form(text)
    if not found:
        raise ArgumentTypeError(
            f"{text!r} is not a duration: write a whole number and a unit, such as 30s, 15m, 24h, "
            "90d or 52w"
        )
    seconds = int(found[1]) * _SECONDS[found[2]]
    if seconds > _MAX_DURATION.total_seconds():
        raise ArgumentTypeError(f"{text!r} is more than 100 years")
    return timedelta(seconds=seconds)


def date(text: str) -> datetime:
    """Parse a date, which is its first instant in UTC, or an instant."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(
            f"{text!r} is not a date: write 2027-01-31 (the beginning of that day in UTC) or "
            "2027-01-31T18:00:00Z"
        ) from None
    if not FIRST.year <= instant.year < LAST.year:
        raise ArgumentTypeError(f"{text!r} is out of range: 1970 to {LAST.year - 1}")
    return instant.replace(tzinfo=instant.tzinfo or UTC).astimezone(UTC)


def duration_or_date(text: str) -> timedelta | datetime:
    """Parse a duration or a date."""
    if _has_form(text):
        return duration(text)
    try:
        return date(text)
    except ArgumentTypeError:
        raise ArgumentTypeError(
            f"{text!r} is neither a duration, such as 24h or 90d, nor a date, such as 2027-01-31 "
            "or 2027-01-31T18:00:00Z"
        ) from None


def rate(text: str) -> int:
    """Parse a number of events a second, such as `5000/s`."""
    found = _is_rate(text)
    if not found or int(found[1]) < 1:
        raise ArgumentTypeError(
            f"{text!r} is not a rate: write a whole number of events a second, at least 1, "
            "such as 5000/s"
        )
    return int(found[1])


def after(now: datetime, term: timedelta | datetime) -> datetime:
    """Return the instant that a duration or a date means."""
    return now + term if isinstance(term, timedelta) else term


def before(now: datetime, term: timedelta | datetime) -> datetime:
    """Return the instant that a duration ago or a date means."""
    return now - term if isinstance(term, timedelta) else term
