"""The ranges to search are all of the time except the absent spans."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from storage.events.ngrams import MAX_RANGES, merged, ranges

FIRST = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
HOURS = range(-1, 100)
BOUNDS = st.none() | st.integers(0, 99)


def at(hour: int) -> datetime:
    return FIRST + hour * HOUR


@given(st.sets(st.integers(0, 98)), BOUNDS, BOUNDS)
def test_what_is_left_are_the_hours_that_no_span_holds(
    absent: set[int], start: int | None, end: int | None
) -> None:
    spans = merged((at(hour), at(hour + 1)) for hour in sorted(absent))
    assert len(spans) < MAX_RANGES
    window = (None if start is None else at(start), None if end is None else at(end))
    found = list(ranges(*window, spans))
    covered = [hour for hour in HOURS for span in found if within(at(hour), span)]
    assert covered == sorted(set(covered)), "in order, and no hour twice"
    wanted = {hour for hour in HOURS if within(at(hour), window)}
    assert wanted - absent <= set(covered) <= wanted
    if len(absent) < MAX_RANGES:
        assert wanted - absent == set(covered)


def within(instant: datetime, span: tuple[datetime | None, datetime | None]) -> bool:
    start, end = span
    return (start is None or start <= instant) and (end is None or instant < end)


def test_of_many_spans_the_longest_stretches_are_left_out() -> None:
    spans = [(at(3 * day), at(3 * day + 1)) for day in range(30)]
    spans[7:9] = [(at(21), at(23)), (at(23), at(25))]
    found = merged(spans)
    assert len(found) == MAX_RANGES - 1
    assert (at(21), at(25)) in found
    assert found == sorted(found)
