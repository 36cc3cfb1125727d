"""`from_date` and `to_date`: every form in which an analyst may write a day or an instant."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from api.http.instants import instant_of, microseconds
from api.query.clock import Clock

ACCEPTED_FORMS = (
    "MM-DD-YYYY (04-16-2021), YYYY-MM-DD (2021-04-16), "
    "an ISO 8601 instant (2021-04-16T12:30:00.5Z, 2021-04-16T12:30+02:00; UTC if no offset), "
    "seconds since 1970 in 9 to 11 digits (1618576200, 1618576200.25), "
    "or before now: -15m, -24h, -7d, now"
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)
_MAX_QUOTED = 60

_US_DAY = re.compile(r"([0-9]{2})-([0-9]{2})-([0-9]{4})")
_ISO_DAY = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
# A space counts as a sign: an unescaped `+` in a query string is decoded to a space.
_ISO_INSTANT = re.compile(
    r"(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})[Tt ]"
    r"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})"
    r"(?::(?P<second>[0-9]{2})(?:\.(?P<fraction>[0-9]{1,9}))?)?"
    r"(?:[Zz]|(?P<sign>[+\- ])(?P<off_hour>[0-9]{2}):?(?P<off_minute>[0-9]{2}))?"
)
_EPOCH_SECONDS = re.compile(r"([0-9]{9,11})(?:\.([0-9]{1,9}))?")
_RELATIVE = re.compile(r"now|-([0-9]{1,6})([mhd])")
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": _DAY}
_PLAIN_NUMBER = re.compile(r"(-?)([0-9]+)(?:\.[0-9]*)?")


class _Moment(NamedTuple):
    at: datetime
    is_day: bool


def start_of(text: str, clock: Clock | None = None) -> datetime:
    """Return the instant, or the first instant of that day, in UTC: inclusive, for `from_date`.

    Fractions are cut off after microseconds, a date before now after the minute. Without a clock
    there is no now. Raises `ValueError`, which says what is wrong.
    """
    return _parse(text.strip(), clock).at


def end_of(text: str, clock: Clock | None = None) -> datetime:
    """Return the instant, or the midnight after that day, in UTC: exclusive, for `to_date`.

    Else as `start_of`.
    """
    moment = _parse(text.strip(), clock)
    if not moment.is_day:
        return moment.at
    try:
        return moment.at + _DAY
    except OverflowError as error:
        raise _wrong(text.strip(), "no day after it can be expressed") from error


def _parse(text: str, clock: Clock | None) -> _Moment:
    for form, read in _READERS:
        if match := form.fullmatch(text):
            try:
                return read(match, clock)
            except (ValueError, OverflowError) as error:
                raise _wrong(text, str(error)) from error
    raise _wrong(text, _why_unknown(text))


def _us_day(match: re.Match[str], _: Clock | None) -> _Moment:
    month, day, year = map(int, match.groups())
    return _Moment(datetime(year, month, day, tzinfo=UTC), is_day=True)


def _iso_day(match: re.Match[str], _: Clock | None) -> _Moment:
    year, month, day = map(int, match.groups())
    return _Moment(datetime(year, month, day, tzinfo=UTC), is_day=True)


def _iso_instant(match: re.Match[str], _: Clock | None) -> _Moment:
    return _Moment(instant_of(match.groupdict()).astimezone(UTC), is_day=False)


def _epoch_seconds(match: re.Match[str], _: Clock | None) -> _Moment:
    elapsed = timedelta(seconds=int(match[1]), microseconds=microseconds(match[2]))
    return _Moment(_EPOCH + elapsed, is_day=False)


def _relative(match: re.Match[str], clock: Clock | None) -> _Moment:
    """Count back from the beginning of this minute, so that the page of a minute is cached."""
    if clock is None:
        raise ValueError("a date before now is not accepted here")
    number, unit = match.groups()
    before = int(number) * _UNITS[unit] if unit else timedelta()
    return _Moment(clock.minute() - before, is_day=False)


_READERS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str], Clock | None], _Moment]], ...] = (
    (_US_DAY, _us_day),
    (_ISO_DAY, _iso_day),
    (_ISO_INSTANT, _iso_instant),
    (_EPOCH_SECONDS, _epoch_seconds),
    (_RELATIVE, _relative),
)


def _why_unknown(text: str) -> str:
    number = _PLAIN_NUMBER.fullmatch(text)
    if number is None:
        return "the form is not known"
    if number[1]:
        return "seconds before 1970 are not accepted"
    if len(number[2]) == 8:
        return "8 digits could be a day or seconds"
    if len(number[2]) == 13:
        return "13 digits look like milliseconds; send seconds"
    return "seconds since 1970 have 9 to 11 digits, and at most 9 after the point"


def _wrong(text: str, why: str) -> ValueError:
    quoted = text if len(text) <= _MAX_QUOTED else text[:_MAX_QUOTED] + "…"
    return ValueError(f"{quoted!r} is not an accepted date: {why}. Use {ACCEPTED_FORMS}.")
