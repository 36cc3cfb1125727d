"""Read `occurred_at` as a producer may write it: an instant of RFC 3339, with any offset. Pure."""

from datetime import UTC, datetime, timedelta

from api.http.instants import instant_of, rfc_3339
from storage.model.occurred_at import occurred_text

_SECOND = timedelta(seconds=1)
_BAD_FORM = (
    "is not an instant of RFC 3339 with an offset, such as 2026-04-16T12:30:00.25Z "
    "or 2026-04-16T14:30:00+02:00"
)
_OUT_OF_RANGE = "is not from the years 1 to 9999 in UTC"


def canonical_instant(text: str) -> str:
    """Return the instant in the form in which it is kept, cut off after microseconds.

    As RFC 3339 has it, `t` and `z` may be lower case, and `-00:00` is UTC. A leap second, which
    clocks of today can't count, becomes the second that follows it. Raises ValueError, which says
    what is wrong.
    """
    match = rfc_3339(text)
    if match is None:
        raise ValueError(_BAD_FORM)
    parts = match.groupdict()
    try:
        if parts["second"] == "60":
            return occurred_text(_behind_leap_second(instant_of({**parts, "second": "59"})))
        return occurred_text(instant_of(parts))
    except OverflowError:
        raise ValueError(_OUT_OF_RANGE) from None
    except ValueError as error:
        wrong = _OUT_OF_RANGE if parts["year"] == "0000" else f"is not possible: {error}"
        raise ValueError(wrong) from None


def _behind_leap_second(before: datetime) -> datetime:
    """Return what is a second later. Raises ValueError unless a month of UTC begins then."""
    after = before.astimezone(UTC) + _SECOND
    if (after.day, after.hour, after.minute, after.second) != (1, 0, 0, 0):
        raise ValueError("second 60 exists only at the end of a month in UTC")
    return after
