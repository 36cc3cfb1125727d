"""Which events a page has: its dates, its limit, its cursor, and its time to search."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Literal
from uuid import UUID

import pytest
import sqlalchemy as sa

from storage.errors import QueryTooSlow
from storage.events import page_rows, search
from storage.events.page_rows import Page
from storage.events.reader import EventStore
from storage.model.event import Event, to_datetime
from storage.model.filters import Filters
from storage.postgres.engine import plain_engine, reading_engine, transaction
from storage.settings import StorageSettings
from tests.support import event_store
from tests.support.event_store import NOW, ids
from tests.support.reading import made, store

events = event_store.events


# --- dates, limit, cursor ----------------------------------------------------------------------


def test_the_start_is_inclusive_and_the_end_is_not_to_the_microsecond(
    settings: StorageSettings, events: EventStore
) -> None:
    stored = [made(NOW + number) for number in range(4)]
    store(settings, stored)
    instant, micro = to_datetime(NOW + 1), timedelta(microseconds=1)

    def found(**window: object) -> list[str]:
        return ids(events.page(Filters(order="asc", **window)))  # type: ignore[arg-type]

    everything = [event.id for event in stored]
    assert found(start=instant) == everything[1:]
    assert found(start=instant + micro) == everything[2:]
    assert found(start=instant - micro) == everything[1:]
    assert found(end=instant) == everything[:1]
    assert found(end=instant + micro) == everything[:2]
    assert found(end=instant - micro) == everything[:1]
    assert found(start=instant, end=instant) == []
    assert found(start=instant, end=instant + micro) == everything[1:2]


@pytest.mark.parametrize(("limit", "more"), [(1, True), (4, True), (5, False), (6, False)])
def test_a_page_has_at_most_its_limit_and_says_whether_there_are_more(
    settings: StorageSettings, events: EventStore, limit: int, more: bool
) -> None:
    stored: list[Event] = [made(NOW + number) for number in range(5)]
    store(settings, stored)
    page = events.page(Filters(limit=limit, order="asc"))
    assert ids(page) == [event.id for event in stored[:limit]]
    assert page.more == more
    page = events.page(Filters(limit=limit))
    assert ids(page) == [event.id for event in stored[::-1][:limit]]
    assert page.more == more


def test_a_page_ends_early_when_it_grows_large(
    settings: StorageSettings, events: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_rows, "PAGE_BYTES", 1000)
    store(settings, [made(NOW, message="x" * 400) for _ in range(5)])
    page = events.page(Filters())
    assert len(page.events) == 3
    assert page.more


def test_an_id_or_cursor_of_a_year_that_no_clock_shows_finds_nothing_and_breaks_nothing(
    settings: StorageSettings, events: EventStore
) -> None:
    event = made(NOW)
    store(settings, [event])
    for ms in (2**48 - 1, 253_402_300_800_000, 253_402_300_799_999):
        far = UUID(made(ms, number=0).id) if ms < 253_402_300_800_000 else UUID(int=ms << 80)
        assert events.find([far]) == {} == events.stored_states([far])
        assert ids(events.page(Filters(cursor=far))) == [event.id]
        assert ids(events.page(Filters(cursor=far, order="asc"))) == []
    first = UUID(int=7 << 76 | 2 << 62)
    assert ids(events.page(Filters(cursor=first))) == []
    assert ids(events.page(Filters(cursor=first, order="asc"))) == [event.id]


def test_what_was_never_stored_is_not_found(events: EventStore) -> None:
    event_id = UUID(made(NOW).id)
    assert events.find([event_id]) == {} == events.stored_states([event_id])
    assert events.page(Filters()) == Page([], more=False)


# --- time --------------------------------------------------------------------------------------


def slow_down(settings: StorageSettings, seconds_a_row: float) -> None:
    """Each event takes so long to read, in the order of a page."""
    engine = plain_engine(settings.database_url)
    with engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE events RENAME TO kept"))
        connection.execute(
            sa.text(
                "CREATE VIEW events AS SELECT created_at, id, component, environment, email, data, "
                f"occurred_at, message || pg_sleep({seconds_a_row})::text AS message "
                "FROM kept ORDER BY created_at DESC, id DESC"
            )
        )
    engine.dispose()


@pytest.mark.parametrize("seconds_a_row", [1, 0.002], ids=["one row", "many rows together"])
def test_a_page_over_the_limit_is_too_slow_and_its_connection_stays(
    settings: StorageSettings, monkeypatch: pytest.MonkeyPatch, seconds_a_row: float
) -> None:
    monkeypatch.setattr("storage.postgres.engine.READ_LIMIT_MS", 400)
    store(settings, [made(NOW) for _ in range(400)])
    slow_down(settings, seconds_a_row)
    engine = reading_engine(settings.database_url, 1)
    session = sa.text("SELECT pg_backend_pid()")
    with transaction(engine) as connection:
        before = connection.scalar(session)
    with pytest.raises(QueryTooSlow):
        EventStore(engine, 400).page(Filters(limit=1000))
    with transaction(engine) as connection:
        assert connection.scalar(session) == before
        assert connection.scalar(sa.text("SHOW statement_timeout")) == "400ms"
    engine.dispose()


# --- searching the near part of time, then the rest ----------------------------------------------


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Filters]:
    """Return the parts that are asked for, once few rows are walked before."""
    found: list[Filters] = []
    parts = search.parts

    def noted(*arguments: Any) -> Iterator[Filters]:
        for part in parts(*arguments):
            found.append(part)
            yield part

    monkeypatch.setattr(search, "WALK", 4)
    monkeypatch.setattr(search, "WALK_FAR", 4)
    monkeypatch.setattr(search, "NEAR", 5)
    monkeypatch.setattr(search, "parts", noted)
    return found


def some_rare(count: int = 40) -> list[Event]:
    return [
        made(NOW + number * 1000, message="usual" if number % 9 else "rare")
        for number in range(count)
    ]


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_a_page_found_in_two_parts_is_what_there_was_at_one_moment(
    settings: StorageSettings,
    events: EventStore,
    monkeypatch: pytest.MonkeyPatch,
    asked: list[Filters],
    order: Literal["asc", "desc"],
) -> None:
    there = some_rare()
    store(settings, there)
    parts = search.parts

    def while_others_store(*arguments: Any) -> Iterator[Filters]:
        for part in parts(*arguments):
            yield part
            store(settings, [made(NOW + n * 1000 + 500, message="rare") for n in range(40)])

    monkeypatch.setattr(search, "parts", while_others_store)
    found = events.page(Filters(message=("rare",), order=order))
    assert len(asked) == 2
    wanted = [one.id for one in there if one.message == "rare"]
    assert ids(found) == (wanted if order == "asc" else wanted[::-1])


def test_a_page_that_the_near_part_fills_looks_no_further(
    settings: StorageSettings, events: EventStore, asked: list[Filters]
) -> None:
    store(settings, some_rare())
    assert len(events.page(Filters(message=("rare",), limit=1)).events) == 1
    assert len(asked) == 1


def test_where_few_rows_are_left_walking_them_is_all(
    settings: StorageSettings, events: EventStore, asked: list[Filters]
) -> None:
    store(settings, some_rare(3))
    assert len(events.page(Filters(message=("rare",))).events) == 1
    assert not asked


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_the_parts_meet_and_keep_to_the_dates_that_were_asked_for(
    order: Literal["asc", "desc"],
) -> None:
    start, end = to_datetime(NOW - 10**9), to_datetime(NOW + 10**9)
    asked = Filters(message=("x",), start=start, end=end, order=order)
    first, second = search.parts(asked, to_datetime(NOW), to_datetime(NOW + 1000))
    if order == "desc":
        first, second = second, first
    assert (first.start, second.end) == (start, end)
    assert first.end == second.start


def test_a_near_part_past_all_dates_is_all() -> None:
    earliest, latest = to_datetime(0), to_datetime(10**14)
    first, _ = search.parts(Filters(message=("x",), order="asc"), earliest, latest)
    assert first.start is None
    assert first.end is not None
    assert first.end.year == 9999
