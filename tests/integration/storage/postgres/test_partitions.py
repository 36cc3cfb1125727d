"""Partitions exist before their events, are created once without blocking, with exact bounds."""

import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from storage.errors import PartitionNameTaken
from storage.events.writer import BatchWriter
from storage.failures import MAX_REASON_CHARACTERS
from storage.model.event import Event, to_ms
from storage.postgres import partitions
from storage.postgres.engine import plain_engine, transaction
from storage.postgres.partitions import Span, covers, ensure, existing, span_of
from storage.settings import StorageSettings
from testbed.waiting import wait_until
from tests.support import batch_writing
from tests.support.queued import assert_stored_once, make_event
from worker.maintenance import Maintenance

engine = batch_writing.engine
writing = batch_writing.writing


@pytest.fixture(autouse=True)
def _nothing_is_long_ago() -> Iterator[None]:
    """Let no partition be longer than its unit, whatever the day of the test."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(partitions, "_PAST", ())
        yield


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type,misc]


def made(engine: sa.Engine, instants: list[datetime], unit: str = "day") -> list[Span]:
    with transaction(engine) as connection:
        return sorted(ensure(connection, instants, unit))


def spans(engine: sa.Engine) -> list[Span]:
    with transaction(engine) as connection:
        return sorted(existing(connection))


def execute(engine: sa.Engine, statement: str) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(statement)


def event_at(instant: datetime) -> Event:
    return make_event(ms=to_ms(instant))


def write(writer: BatchWriter, batch: list[Event]) -> int:
    writer.ensure_partitions(batch)
    with writer.batch(0, 1) as batch_transaction:
        return batch_transaction.insert(batch).stored


def partition_of(engine: sa.Engine, event: Event) -> str:
    with engine.connect() as connection:
        query = sa.text("SELECT tableoid::regclass::text FROM events WHERE id = CAST(:id AS uuid)")
        return str(connection.scalar(query, {"id": event.id}))


@pytest.mark.parametrize(
    ("unit", "instant", "start", "end"),
    [
        ("hour", utc(2026, 11, 24, 13, 5), utc(2026, 11, 24, 13), utc(2026, 11, 24, 14)),
        ("hour", utc(2026, 12, 31, 23), utc(2026, 12, 31, 23), utc(2027, 1, 1)),
        ("day", utc(2026, 11, 24, 13, 5), utc(2026, 11, 24), utc(2026, 11, 25)),
        ("day", utc(2028, 2, 28), utc(2028, 2, 28), utc(2028, 2, 29)),
        ("day", utc(2026, 12, 31, 23, 59, 59, 999_999), utc(2026, 12, 31), utc(2027, 1, 1)),
        ("month", utc(2026, 12, 31, 23, 59), utc(2026, 12, 1), utc(2027, 1, 1)),
        ("month", utc(2028, 2, 29), utc(2028, 2, 1), utc(2028, 3, 1)),
        ("month", utc(2026, 1, 1), utc(2026, 1, 1), utc(2026, 2, 1)),
    ],
)
def test_the_span_around_an_instant_is_its_hour_day_or_month(
    unit: str, instant: datetime, start: datetime, end: datetime
) -> None:
    assert span_of(instant, unit) == (start, end)


def test_an_instant_of_another_zone_belongs_to_its_day_in_utc() -> None:
    tokyo = datetime.fromisoformat("2026-11-24T08:59:59+09:00")
    assert span_of(tokyo, "day") == (utc(2026, 11, 23), utc(2026, 11, 24))


@pytest.mark.parametrize("unit", ["hour", "day", "month"])
def test_what_is_made_is_found_again_as_it_was_made(engine: sa.Engine, unit: str) -> None:
    wanted = [utc(2026, 12, 31, 12), utc(2027, 1, 1), utc(2027, 3, 1)]
    expected = sorted({span_of(instant, unit) for instant in wanted})
    assert made(engine, wanted, unit) == expected
    assert made(engine, wanted, unit) == expected
    assert spans(engine) == expected


def test_days_that_exist_stay_when_months_are_wanted_later(engine: sa.Engine) -> None:
    made(engine, [utc(2026, 11, 24)], "day")
    made(engine, [utc(2026, 11, 24), utc(2026, 11, 25), utc(2026, 12, 3)], "month")
    assert spans(engine) == [
        (utc(2026, 11, 24), utc(2026, 11, 25)),
        (utc(2026, 11, 25), utc(2026, 11, 26)),
        (utc(2026, 12, 1), utc(2027, 1, 1)),
    ]


def test_months_that_exist_stay_when_days_are_wanted_later(engine: sa.Engine) -> None:
    made(engine, [utc(2026, 11, 24)], "month")
    made(engine, [utc(2026, 11, 30), utc(2026, 12, 1)], "day")
    assert spans(engine) == [
        (utc(2026, 11, 1), utc(2026, 12, 1)),
        (utc(2026, 12, 1), utc(2026, 12, 2)),
    ]


def test_days_that_exist_stay_when_hours_are_wanted_later(engine: sa.Engine) -> None:
    made(engine, [utc(2026, 11, 24)], "day")
    made(engine, [utc(2026, 11, 24, 23, 59), utc(2026, 11, 25)], "hour")
    assert spans(engine) == [
        (utc(2026, 11, 24), utc(2026, 11, 25)),
        (utc(2026, 11, 25), utc(2026, 11, 25, 1)),
    ]


@pytest.mark.parametrize(
    ("unit", "later"),
    [
        ("day", (utc(2026, 11, 25), utc(2026, 11, 26))),
        ("month", (utc(2026, 11, 25), utc(2026, 11, 26))),
    ],
)
def test_hours_that_exist_stay_when_more_is_wanted_later(
    engine: sa.Engine, unit: str, later: Span
) -> None:
    made(engine, [utc(2026, 11, 24, 13)], "hour")
    made(engine, [utc(2026, 11, 24, 13, 30), utc(2026, 11, 24, 15), utc(2026, 11, 25, 7)], unit)
    assert spans(engine) == [
        (utc(2026, 11, 24, 13), utc(2026, 11, 24, 14)),
        (utc(2026, 11, 24, 15), utc(2026, 11, 24, 16)),
        later,
    ]


def test_a_partition_that_was_detached_and_kept_is_named_with_both_ways_out(
    engine: sa.Engine, writing: sa.Engine
) -> None:
    name, event = "events_20261019_20261020", event_at(utc(2026, 10, 19, 5))
    made(engine, [utc(2026, 10, 19)])
    execute(engine, f"ALTER TABLE events DETACH PARTITION {name}")
    for way_out in ("attach", "rename"):
        with pytest.raises(PartitionNameTaken, match=name) as raised:
            write(BatchWriter(writing, "day"), [event])
        said = str(raised.value)
        assert len(said) <= MAX_REASON_CHARACTERS
        assert "migrate" not in said
        attach, rename = re.findall(r"\((ALTER TABLE .*?)\)(?:,|$)", said)
        execute(engine, attach if way_out == "attach" else rename)
        assert write(BatchWriter(writing, "day"), [event]) == 1
        execute(engine, "DELETE FROM events")
        if way_out == "attach":
            execute(engine, f"ALTER TABLE events DETACH PARTITION {name}")


def test_a_name_that_is_taken_keeps_no_other_partition_from_being_made(
    engine: sa.Engine,
) -> None:
    now = datetime.now(UTC)
    taken = partitions.name_of(span_of(now + timedelta(days=1), "day"))
    execute(engine, f"CREATE TABLE {taken} ()")
    with pytest.raises(PartitionNameTaken, match=taken):
        Maintenance(engine, "day", 3).run_once()
    found = spans(engine)
    assert covers(found, now)
    assert covers(found, now + timedelta(days=3))
    assert not covers(found, now + timedelta(days=1))


def test_a_partition_has_every_index_of_the_table(engine: sa.Engine) -> None:
    made(engine, [utc(2026, 11, 24)])
    with engine.connect() as connection:
        parent, child = (
            connection.scalar(
                sa.text("SELECT count(*) FROM pg_index WHERE indrelid = CAST(:name AS regclass)"),
                {"name": name},
            )
            for name in ("events", "events_20261124_20261125")
        )
        attached = connection.scalar(
            sa.text(
                "SELECT count(*) FROM pg_inherits JOIN pg_index ON indexrelid = inhrelid "
                "WHERE indrelid = CAST('events_20261124_20261125' AS regclass)"
            )
        )
    assert parent == child == attached
    assert parent > 1


def test_many_threads_at_once_make_each_partition_once(settings: StorageSettings) -> None:
    wanted = [utc(2027, 1, 1) + timedelta(days=day) for day in range(5)]
    start = threading.Barrier(6)
    results: list[list[Span]] = []

    def work() -> None:
        own = plain_engine(settings.database_url)
        start.wait(20)
        results.append(made(own, wanted))
        own.dispose()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert results == [[span_of(day, "day") for day in wanted]] * 6


@pytest.mark.parametrize(
    "statement",
    ["SELECT count(*) FROM events", "DELETE FROM events", "SELECT * FROM events FOR UPDATE"],
)
def test_making_a_partition_neither_waits_for_others_nor_makes_them_wait(
    settings: StorageSettings, engine: sa.Engine, statement: str
) -> None:
    made(engine, [utc(2026, 11, 24)])
    other = plain_engine(settings.database_url)
    with other.connect() as connection, connection.begin():
        connection.execute(sa.text(statement))
        with transaction(engine) as making:
            making.execute(sa.text("SET LOCAL lock_timeout = '100ms'"))
            ensure(making, [utc(2026, 11, 25)], "day")
            connection.execute(sa.text("SET LOCAL lock_timeout = '100ms'"))
            connection.execute(sa.text(statement))
    other.dispose()
    assert len(spans(engine)) == 2


def test_an_event_of_the_last_and_of_the_first_millisecond_find_their_own_day(
    engine: sa.Engine, writing: sa.Engine
) -> None:
    last = event_at(utc(2026, 11, 24, 23, 59, 59, 999_000))
    first = event_at(utc(2026, 11, 25))
    assert write(BatchWriter(writing, "day"), [last, first]) == 2
    assert partition_of(engine, last) == "events_20261124_20261125"
    assert partition_of(engine, first) == "events_20261125_20261126"


def test_an_event_of_the_last_and_of_the_first_millisecond_find_their_own_month(
    engine: sa.Engine, writing: sa.Engine
) -> None:
    last = event_at(utc(2026, 12, 31, 23, 59, 59, 999_000))
    first = event_at(utc(2027, 1, 1))
    assert write(BatchWriter(writing, "month"), [last, first]) == 2
    assert partition_of(engine, last) == "events_20261201_20270101"
    assert partition_of(engine, first) == "events_20270101_20270201"


def test_an_event_of_the_last_and_of_the_first_millisecond_find_their_own_hour(
    engine: sa.Engine, writing: sa.Engine
) -> None:
    last = event_at(utc(2026, 11, 24, 23, 59, 59, 999_000))
    first = event_at(utc(2026, 11, 25))
    assert write(BatchWriter(writing, "hour"), [last, first]) == 2
    assert partition_of(engine, last) == "events_2026112423_2026112500"
    assert partition_of(engine, first) == "events_2026112500_2026112501"


def test_a_batch_over_many_hours_finds_the_partition_of_each(
    engine: sa.Engine, writing: sa.Engine
) -> None:
    writer = BatchWriter(writing, "hour")
    batch = [event_at(utc(2026, 11, 24) + timedelta(minutes=25 * n)) for n in range(60)]
    assert write(writer, batch[::2]) == 30
    assert write(writer, batch) == 30
    assert_stored_once(engine, batch)
    assert len(spans(engine)) == 25


def test_an_event_of_a_day_far_away_makes_its_own(engine: sa.Engine, writing: sa.Engine) -> None:
    far = [event_at(utc(1971, 1, 1)), event_at(utc(2400, 2, 29))]
    assert write(BatchWriter(writing, "day"), far) == 2
    assert_stored_once(engine, far)
    assert len(spans(engine)) == 2


def test_a_writer_looks_for_partitions_only_when_it_does_not_know_them(
    writing: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = BatchWriter(writing, "day")
    writer.ensure_partitions([event_at(utc(2026, 11, 24)), event_at(utc(2026, 11, 25))])
    monkeypatch.setattr(partitions, "ensure", None)
    writer.ensure_partitions([event_at(utc(2026, 11, 24, 5)), event_at(utc(2026, 11, 25, 5))])


def test_maintenance_makes_today_and_the_days_ahead(engine: sa.Engine) -> None:
    before = datetime.now(UTC)
    maintenance = Maintenance(engine, "day", 3)
    maintenance.run_once()
    maintenance.run_once()
    found = spans(engine)
    assert covers(found, before)
    assert covers(found, before + timedelta(days=3))
    assert len(found) in (4, 5)


def test_maintenance_makes_this_hour_and_those_of_a_day_ahead(engine: sa.Engine) -> None:
    before = datetime.now(UTC)
    maintenance = Maintenance(engine, "hour", 7)
    maintenance.run_once()
    maintenance.run_once()
    found = spans(engine)
    assert covers(found, before)
    assert covers(found, before + timedelta(hours=24))
    assert len(found) in (25, 26)


def test_maintenance_begins_at_once_and_survives_a_database_that_is_away(
    settings: StorageSettings, engine: sa.Engine, caplog: pytest.LogCaptureFixture
) -> None:
    away = Maintenance(sa.create_engine("postgresql+psycopg2:///a?host=/nonexistent"), "day", 1)
    away.start()
    wait_until(lambda: "maintenance failed" in caplog.text, "maintenance to fail")
    away.stop()
    running = Maintenance(plain_engine(settings.database_url), "day", 1)
    running.start()
    wait_until(lambda: len(spans(engine)) >= 2, "the partitions to be made")
    running.stop()
