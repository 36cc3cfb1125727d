"""The past gets long partitions: few for a history of many years, and never too many at once."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from storage.events.writer import BatchWriter
from storage.model.event import to_ms
from storage.postgres import partitions
from storage.postgres.engine import transaction
from storage.postgres.partitions import existing, groups, span_of, unit_at
from tests.support import batch_writing
from tests.support.queued import assert_stored_once, make_event

engine = batch_writing.engine
writing = batch_writing.writing

NOW = datetime(2026, 11, 28, 10, 30, tzinfo=UTC)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type,misc]


@pytest.mark.parametrize(
    ("unit", "instant", "expected"),
    [
        ("day", utc(2026, 11, 28), "day"),
        ("day", utc(2026, 10, 28, 23), "day"),
        ("day", utc(2026, 9, 30, 23), "month"),
        ("day", utc(2025, 1, 1), "month"),
        ("day", utc(2024, 12, 31), "year"),
        ("day", utc(1970, 1, 1), "year"),
        ("day", utc(2027, 1, 1), "day"),
        ("hour", utc(2026, 11, 28, 3), "hour"),
        ("hour", utc(2026, 11, 27, 3), "hour"),
        ("hour", utc(2026, 11, 26, 3), "day"),
        ("hour", utc(2026, 9, 3), "month"),
        ("month", utc(2026, 11, 26, 3), "month"),
        ("month", utc(2020, 11, 26, 3), "year"),
    ],
)
def test_the_longer_ago_the_longer_is_a_partition(
    unit: str, instant: datetime, expected: str
) -> None:
    assert unit_at(instant, NOW, unit) == expected


def test_a_year_is_a_span() -> None:
    assert span_of(utc(2024, 2, 29, 5), "year") == (utc(2024, 1, 1), utc(2025, 1, 1))
    assert span_of(utc(2023, 12, 31, 23), "year") == (utc(2023, 1, 1), utc(2024, 1, 1))


@pytest.mark.parametrize("unit", ["hour", "day", "month"])
def test_few_partitions_are_made_in_one_transaction(unit: str) -> None:
    hours = [NOW.replace(minute=0) - timedelta(hours=37 * number) for number in range(12_000)]
    found = list(groups([], hours, unit, NOW))
    assert sorted(hour for _, some in found for hour in some) == sorted(hours)
    spans = [{span_of(hour, wanted) for hour in some} for wanted, some in found]
    assert max(map(len, spans)) <= 16
    assert sum(map(len, spans)) < 200
    assert list(groups([(utc(1900, 1, 1), utc(2100, 1, 1))], hours, unit, NOW)) == []


@pytest.mark.parametrize("unit", ["hour", "day", "month"])
def test_a_batch_of_fifty_years_is_stored(engine: sa.Engine, writing: sa.Engine, unit: str) -> None:
    now = datetime.now(UTC)
    instants = [now - timedelta(days=11 * number) for number in range(1_700)]
    batch = [make_event(ms=to_ms(instant)) for instant in instants]
    made: list[int] = []
    real = partitions.ensure

    def counting(connection: sa.Connection, wanted: Sequence[datetime], by: str) -> Any:
        before = len(existing(connection))
        found = real(connection, wanted, by)
        made.append(len(found) - before)
        return found

    writer = BatchWriter(writing, unit)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(partitions, "ensure", counting)
        writer.ensure_partitions(batch)
    with writer.batch(0, 1) as batch_transaction:
        assert batch_transaction.insert(batch).stored == len(batch)
    assert_stored_once(engine, batch)
    assert max(made) <= 16
    with transaction(engine) as connection:
        assert len(existing(connection)) < 110


def test_shorter_partitions_of_the_past_stay_and_the_rest_of_their_year_is_filled(
    engine: sa.Engine, writing: sa.Engine
) -> None:
    with transaction(engine) as connection:
        partitions.ensure(connection, [utc(2019, 5, 7, 3)], "hour")
    batch = [
        make_event(ms=to_ms(instant))
        for instant in (utc(2019, 5, 7, 3), utc(2019, 5, 7, 4), utc(2019, 5, 8), utc(2019, 6, 1))
    ]
    writer = BatchWriter(writing, "day")
    writer.ensure_partitions(batch)
    with writer.batch(0, 1) as batch_transaction:
        assert batch_transaction.insert(batch).stored == 4
    with transaction(engine) as connection:
        found = [span for span in existing(connection) if span[0].year == 2019]
    assert found == [
        (utc(2019, 5, 7, 3), utc(2019, 5, 7, 4)),
        (utc(2019, 5, 7, 4), utc(2019, 5, 7, 5)),
        (utc(2019, 5, 8), utc(2019, 5, 9)),
        (utc(2019, 6, 1), utc(2019, 7, 1)),
    ]
