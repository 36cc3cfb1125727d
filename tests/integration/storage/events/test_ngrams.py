"""A search skips the recorded spans whose messages can't match; what is recorded, and when."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from storage.events import ngram_builder, queries, search
from storage.events.ngram_builder import record_next
from storage.events.ngrams import without
from storage.events.reader import EventStore
from storage.model.event import Event, to_ms
from storage.model.filters import Filters
from storage.postgres.engine import plain_engine, transaction
from storage.settings import StorageSettings
from tests.support import ngram_records
from tests.support.ngram_records import (
    DAY,
    OTHER,
    PAST,
    Recording,
    event,
    left_out,
    messages,
    record_all,
    rows,
)
from tests.support.reading import made, store
from worker.maintenance import Maintenance

engine = ngram_records.engine
events = ngram_records.events
there = ngram_records.there


# --- what is recorded, and when ----------------------------------------------------------------


def test_a_day_that_is_over_is_left_out_where_it_holds_nothing_of_what_is_asked_for(
    engine: sa.Engine, events: EventStore, there: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert left_out(engine, "zebra") == []
    assert record_all(engine) == [(PAST, PAST + DAY), (PAST - DAY, PAST)]
    assert left_out(engine, "zebra") == [(PAST - DAY, PAST + DAY)]
    assert left_out(engine, "SUAL") == left_out(engine, "zebra", "sua") == []
    asked: list[Filters] = []
    page_query = queries.page_query

    def noted(part: Filters) -> Any:
        asked.append(part)
        return page_query(part)

    monkeypatch.setattr(search, "page_query", noted)
    assert messages(events, "zebra") == []
    assert not any(
        (part.start is None or part.start < PAST + DAY) and (part.end is None or part.end > PAST)
        for part in asked
    )
    assert len(messages(events, "SUAL")) == len(there)


def test_maintenance_makes_one_record_a_round_and_each_once(
    engine: sa.Engine, there: list[Event]
) -> None:
    maintenance = Maintenance(engine, "day", 1)
    maintenance.run_once()
    assert len(rows(engine, "SELECT FROM message_spans")) == 1, "partitions must be made in time"
    record_all(engine)
    builds = "SELECT start_at, build FROM message_spans WHERE lengths = '{1,2,4,6}'"
    before = rows(engine, builds)
    assert len(before) >= 2
    maintenance.run_once()
    assert set(rows(engine, builds)) >= set(before)


def test_what_may_still_be_written_to_is_not_recorded(
    settings: StorageSettings, engine: sa.Engine
) -> None:
    now = datetime.now(UTC)
    store(settings, [event("usual", now), event("usual", now + DAY)])
    assert all(end <= now - timedelta(minutes=10) for _, end in record_all(engine))


def test_of_the_day_that_is_not_over_each_hour_is_recorded_until_the_day_is(
    settings: StorageSettings, engine: sa.Engine, events: EventStore
) -> None:
    hours = [PAST + hour * timedelta(hours=1) for hour in range(24)]
    store(settings, [made(to_ms(hour), message=f"{hour.hour % 2} usual") for hour in hours])
    store(settings, [made(to_ms(hours[3]), message=OTHER)])
    in_the_fifth = hours[4] + timedelta(minutes=59)
    assert record_next(engine, in_the_fifth) == (hours[3], hours[4])
    assert left_out(engine, "zebra") == []
    assert left_out(engine, "quagga") == [(hours[3], hours[4])]
    while record_next(engine, in_the_fifth):
        pass
    assert left_out(engine, "zebra") == [(hours[0], hours[3])]
    assert left_out(engine, "quagga") == [(hours[0], hours[4])]
    assert messages(events, "zebra") == [OTHER]
    assert record_all(engine) == [(PAST, PAST + DAY)]
    assert [row.end_at for row in rows(engine, "SELECT end_at FROM message_spans")] == [PAST + DAY]
    assert [row.span for row in rows(engine, "SELECT DISTINCT span FROM message_grams")] == [PAST]
    assert left_out(engine, "quagga") == [(PAST, PAST + DAY)]
    assert messages(events, "zebra") == [OTHER]


def test_a_day_counts_as_over_some_minutes_after_its_end_by_the_clock_of_postgresql(
    settings: StorageSettings, engine: sa.Engine, there: list[Event]
) -> None:
    assert record_next(engine, PAST + timedelta(minutes=59)) == (PAST - DAY, PAST)
    with transaction(engine) as connection:
        closed = connection.scalars(ngram_builder._CLOSED).one()
    assert timedelta(minutes=9) < datetime.now(UTC) - closed < timedelta(minutes=11)


def test_of_a_month_each_day_is_recorded(settings: StorageSettings, engine: sa.Engine) -> None:
    monthly = settings.model_copy(update={"partition_by": "month"})
    first = datetime(2026, 2, 1, tzinfo=UTC)
    store(monthly, [event("usual", first), event("rare", first + DAY)])
    while record_next(engine, first + 3 * DAY):
        pass
    days = [first + day * DAY for day in range(4)]
    assert left_out(engine, "rare") == [(days[0], days[1]), (days[2], days[3])]


def test_several_that_record_at_once_do_so_once(
    settings: StorageSettings, engine: sa.Engine, there: list[Event]
) -> None:
    engines = [plain_engine(settings.database_url) for _ in range(4)]
    for _ in range(6):
        recordings = [Recording(each) for each in engines]
        for recording in recordings:
            recording.end()
    assert len(rows(engine, "SELECT FROM message_spans WHERE lengths = '{1,2,4,6}'")) == 2
    assert len(left_out(engine, "zebra")) == 1
    assert left_out(engine, "usual") == []
    for each in engines:
        each.dispose()


def test_what_was_killed_in_the_middle_leaves_nothing_and_is_made_again(
    engine: sa.Engine, there: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    read = ngram_builder._read

    def killed(*arguments: Any) -> list[int]:
        read(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ngram_builder, "_read", killed)
        with pytest.raises(KeyboardInterrupt):
            record_next(engine)
    assert left_out(engine, "zebra") == []
    assert rows(engine, "SELECT FROM message_grams") == []
    assert record_next(engine) == (PAST, PAST + DAY)
    assert left_out(engine, "zebra") == [(PAST, PAST + DAY)]


def test_too_many_different_ngrams_are_not_kept_and_do_not_count(
    settings: StorageSettings,
    engine: sa.Engine,
    there: list[Event],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ngram_builder, "MAX_NGRAMS", 600)
    spread = random.Random(3)
    letters = "abcdefghijklm"
    store(
        settings,
        [event("".join(spread.choices(letters, k=40)), number=n) for n in range(500)],
    )
    record_all(engine)
    found = rows(engine, "SELECT lengths FROM message_spans WHERE late IS NULL ORDER BY start_at")
    assert [row.lengths for row in found] == [[1, 2, 4, 6], [1, 2]]
    assert (
        rows(engine, f"SELECT FROM message_grams WHERE length(gram) > 2 AND span = '{PAST}'") == []
    )
    assert left_out(engine, "abcdefg") == [(PAST - DAY, PAST)]
    assert left_out(engine, "abcdefz") == [(PAST - DAY, PAST + DAY)]


def test_what_takes_too_long_is_given_up_and_not_tried_again(
    engine: sa.Engine, there: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = "SELECT size FROM pg_sleep(60), unnest(CAST(:lengths AS integer[])) AS size"
    slow += " WHERE :start < :end AND :most > 0"
    monkeypatch.setattr(ngram_builder, "_READ", sa.text(slow))
    monkeypatch.setattr(ngram_builder, "_STEP_LIMIT_MS", 20)
    assert len(record_all(engine)) == 2
    assert left_out(engine, "zebra") == []
    monkeypatch.undo()
    assert record_all(engine) == []


@pytest.mark.parametrize("step", ["_EMPTY", "_KEEP"])
def test_what_takes_too_long_to_keep_is_given_up_too_and_holds_up_no_other(
    engine: sa.Engine, there: list[Event], monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    slow = "SELECT FROM pg_sleep(60) WHERE CAST(:start AS timestamptz) IS NOT NULL"
    monkeypatch.setattr(ngram_builder, "_STEP_LIMIT_MS", 500)
    with monkeypatch.context() as patch:
        patch.setattr(ngram_builder, step, sa.text(slow))
        assert record_next(engine) == (PAST, PAST + DAY)
    assert record_all(engine) == [(PAST - DAY, PAST)]
    assert left_out(engine, "zebra") == [(PAST - DAY, PAST)]


# --- unusual messages --------------------------------------------------------------------------


def test_every_part_of_a_long_message_is_in_its_record(
    settings: StorageSettings, engine: sa.Engine
) -> None:
    text = "".join(random.Random(5).choices("abcdefghij 漢", k=1_300))
    store(settings, [event(text)])
    record_all(engine)
    with transaction(engine) as connection:
        for at in range(0, len(text), 3):
            assert without(connection, [text[at : at + 9]]) == []
        assert without(connection, [text[:9] + "x"]) != []


def test_the_longest_message_is_recorded_in_time(
    settings: StorageSettings, engine: sa.Engine
) -> None:
    store(settings, [event("é" * 50_000 + "x" * 50_000)])
    record_all(engine)
    assert left_out(engine, "éx", "xx") == []
    assert left_out(engine, "xé") == [(PAST, PAST + DAY)]


def test_a_message_is_of_no_use_where_nothing_is_asked_of_it(
    engine: sa.Engine, there: list[Event]
) -> None:
    record_all(engine)
    assert left_out(engine) == left_out(engine, "") == []
