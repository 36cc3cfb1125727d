"""The bars of a time window in a time zone: arithmetic of calendars, no I/O.

A bar begins where the one before it ends, so each instant of the window is in exactly one bar. The
first bar begins at the window's start, and the last one ends at its end; either may be in the
middle of an interval.

- A minute or an hour is that of the zone's clock. Where the zone changes its offset, a bar ends:
  the hour that a clock shows twice in autumn is two bars.
- A day begins at the first instant of its date, a week at the first of its Monday. So a day has 23
  or 25 hours where the clock changes.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

Interval = Literal["minute", "hour", "day", "week"]

INTERVALS: tuple[Interval, ...] = ("minute", "hour", "day", "week")
"""From the shortest to the longest."""

MAX_BARS = 2000
AUTO_BARS = 750
"""Maximum number of bars if the service chooses the interval; only weeks may give more."""

_LENGTHS: dict[Interval, timedelta] = {
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(weeks=1),
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)
# Beyond these, an instant in UTC may have no year in the zone.
_FIRST, _LAST = datetime(1, 1, 3, tzinfo=UTC), datetime(9999, 12, 29, tzinfo=UTC)


class TooManyBars(ValueError):
    """The window has more than MAX_BARS of these intervals; the message says which would fit."""


def starts(start: datetime, end: datetime, interval: Interval, zone: ZoneInfo) -> list[datetime]:
    """Return the start of each bar, in UTC; none if the window is empty. Raises TooManyBars."""
    if not _may_fit(start, end, interval):
        raise TooManyBars(_too_many(start, end, interval))
    found = list(_starts(start.astimezone(UTC), end, interval, zone, MAX_BARS + 1))
    if len(found) > MAX_BARS:
        raise TooManyBars(_too_many(start, end, interval))
    return found


def choose(start: datetime, end: datetime) -> Interval:
    """Return the shortest interval of which the window has about AUTO_BARS at most."""
    return next((each for each in INTERVALS if (end - start) / _LENGTHS[each] < AUTO_BARS), "week")


def _may_fit(start: datetime, end: datetime, interval: Interval) -> bool:
    """Return whether the window is short enough to look: one interval is as long as two here.

    An interval where the clock changes may be longer than the others, never twice as long.
    """
    return (end - start) / _LENGTHS[interval] <= 2 * MAX_BARS


def _too_many(start: datetime, end: datetime, interval: Interval) -> str:
    fitting = (one for one in INTERVALS if (end - start) / _LENGTHS[one] < MAX_BARS - 1)
    longer = next(fitting, None)
    hint = f"interval={longer} fits" if longer else "narrow the window with from_date and to_date"
    return (
        f"{interval} would give more than {MAX_BARS:,} bars from {instant_text(start)} "
        f"to {instant_text(end)}: {hint}"
    )


def instant_text(instant: datetime) -> str:
    """Return the instant in RFC 3339, in UTC, with a fraction only if it has one."""
    text = instant.astimezone(UTC).replace(tzinfo=None).isoformat()
    return (text.rstrip("0") if "." in text else text) + "Z"


def _starts(
    start: datetime, end: datetime, interval: Interval, zone: ZoneInfo, most: int
) -> Iterator[datetime]:
    for _ in range(most):
        if start >= end:
            return
        yield start
        start = _next(start, interval, zone)


def _next(instant: datetime, interval: Interval, zone: ZoneInfo) -> datetime:
    """Return where the bar of this instant ends; far behind all windows if no year is left."""
    try:
        if interval in ("minute", "hour"):
            return _next_on_clock(instant, _LENGTHS[interval], zone)
        return _next_of_dates(instant, interval, zone)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)


def _next_on_clock(instant: datetime, length: timedelta, zone: ZoneInfo) -> datetime:
    offset = _offset(instant, zone)
    end = instant + length - (instant - _EPOCH + offset) % length
    return _change(instant, end, zone) or end


def _next_of_dates(instant: datetime, interval: Interval, zone: ZoneInfo) -> datetime:
    day = (instant.astimezone(UTC).replace(tzinfo=None) + _offset(instant, zone)).date()
    step = _DAY
    if interval == "week":
        day -= timedelta(days=day.weekday())
        step = timedelta(weeks=1)
    end = instant
    while end <= instant:  # a date may begin twice, and end before a date that is left out
        day += step
        end = _first_of(day, zone)
    return end


def _first_of(day: date, zone: ZoneInfo) -> datetime:
    """Return the first instant of a date, or where it would be if the zone has left it out."""
    midnight = datetime(day.year, day.month, day.day)
    offset = midnight.replace(tzinfo=zone).utcoffset()
    assert offset is not None
    found = midnight.replace(tzinfo=UTC) - offset
    if _offset(found, zone) == offset:
        return found
    return _change(found - _DAY, found, zone) or found  # the clock skips midnight


def _change(start: datetime, end: datetime, zone: ZoneInfo) -> datetime | None:
    """Return the instant after `start`, at most `end`, at which the offset changes, if it does."""
    before = _offset(start, zone)
    if _offset(end, zone) == before:
        return None
    low, high = _seconds(start), _seconds(end)
    while high - low > 1:
        middle = (low + high) // 2
        is_before = _offset(_EPOCH + middle * _SECOND, zone) == before
        low, high = (middle, high) if is_before else (low, middle)
    return _EPOCH + high * _SECOND


def _seconds(instant: datetime) -> int:
    return (instant - _EPOCH) // _SECOND


def _offset(instant: datetime, zone: ZoneInfo) -> timedelta:
    offset = min(max(instant, _FIRST), _LAST).astimezone(zone).utcoffset()
    assert offset is not None
    return offset
