"""Exports of the event store: pages, spans of time, and what ends or slows them."""

import random
import sys
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from storage.errors import QueryTooSlow
from storage.events import export as exporting
from storage.events.export import Export
from storage.events.reader import EventStore
from storage.model.event import Event, created_ms, encode_event, to_datetime
from storage.model.filters import Filters
from storage.postgres.engine import counting_engine, short_engine
from storage.postgres.interrupt import Interrupt
from storage.postgres.partitions import name_of
from storage.postgres.read_router import ReadRouter
from storage.settings import StorageSettings
from tests.support.reading import made, make_days, store

FIRST_MS = 1_761_350_400_000
MINUTE = 60_000


@pytest.fixture
def engine(settings: StorageSettings) -> Iterator[sa.Engine]:
    engine = counting_engine(settings.database_url)
    yield engine
    engine.dispose()


def lines_of(engine: sa.Engine, rows: int = 100, **filters: Any) -> list[str]:
    """Return the lines of a whole export with pages of so many rows."""
    export = Export(ReadRouter(engine), Filters(**filters), Interrupt(), rows)
    export.begin()
    lines: list[str] = []
    for _ in range(10_000):
        page = export.next()
        lines += page.lines
        if page.is_last:
            return lines
    raise AssertionError("no end")


def ids_of(lines: list[str]) -> list[str]:
    return [msgspec.json.decode(line)["id"] for line in lines]


def _text(chance: random.Random) -> str:
    """Return a text of any characters that PostgreSQL stores."""
    kinds = (range(1, 0x80), range(0x80, 0xD800), range(0xE000, sys.maxunicode + 1))
    return "".join(chr(chance.choice(chance.choice(kinds))) for _ in range(chance.randrange(1, 30)))


def _random_events(count: int) -> list[Event]:
    chance = random.Random(5)
    return [
        made(
            FIRST_MS + number,
            component=_text(chance),
            environment=_text(chance),
            message=_text(chance),
            email=chance.choice((None, _text(chance))),
            data=msgspec.json.encode(
                chance.choice((None, {_text(chance): [_text(chance), 1.5, None, True]}))
            ).decode(),
            occurred_at=chance.choice((msgspec.UNSET, "0001-02-03T04:05:06.000007Z")),
        )
        for number in range(count)
    ]


def test_postgresql_writes_each_line_as_the_pages_have_it(
    settings: StorageSettings, engine: sa.Engine
) -> None:
    store(settings, _random_events(700))
    page = EventStore(engine).page(Filters(limit=1000, order="asc"))
    assert [line.encode() for line in lines_of(engine)] == [encode_event(e) for e in page.events]


@pytest.mark.parametrize("rows", [1, 7, 100, 500])
def test_pages_of_any_size_have_each_event_once(
    settings: StorageSettings, engine: sa.Engine, rows: int
) -> None:
    events = [made(FIRST_MS + number // 9) for number in range(300)]
    store(settings, events)
    assert ids_of(lines_of(engine, rows)) == sorted(event.id for event in events)


def test_the_end_is_that_of_the_begin(settings: StorageSettings, engine: sa.Engine) -> None:
    events = [made(FIRST_MS + number) for number in range(10)]
    store(settings, events)
    export = Export(ReadRouter(engine), Filters(), Interrupt(), rows=5)
    export.begin()
    store(settings, [made(FIRST_MS + 20)])
    assert ids_of([*export.next().lines, *export.next().lines]) == [event.id for event in events]
    assert export.next() == ([], True)


def test_a_span_that_takes_too_long_is_narrowed_until_it_does_not(
    settings: StorageSettings, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = [made(FIRST_MS + number * MINUTE, message=f"m {number}") for number in range(400)]
    store(settings, events)
    widths = []
    read = Export._read

    def slow_where_wide(self: Export, after: Any, until: Any) -> list[str]:
        widths.append(until.created_at - after.created_at)
        if widths[-1] > timedelta(hours=1):
            raise QueryTooSlow
        return read(self, after, until)

    monkeypatch.setattr(Export, "_read", slow_where_wide)
    asked: tuple[dict[str, Any], ...] = ({}, {"message": ("m",)})
    for filters in asked:
        assert ids_of(lines_of(engine, **filters)) == [event.id for event in events]
    assert max(widths) > timedelta(hours=1)


def test_what_takes_too_long_in_the_narrowest_span_fails(
    settings: StorageSettings, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(settings, [made(FIRST_MS + number * MINUTE) for number in range(40)])

    def slow(*_: object) -> list[str]:
        raise QueryTooSlow

    monkeypatch.setattr(Export, "_read", slow)
    with pytest.raises(QueryTooSlow):
        lines_of(engine)


def test_an_interrupt_cancels_the_query_that_runs(
    settings: StorageSettings, engine: sa.Engine
) -> None:
    store(settings, [made(FIRST_MS)])
    interrupt = Interrupt()
    with engine.connect() as connection, interrupt.watching(connection):
        interrupt.cancel()  # between two statements: without effect
        assert connection.scalar(sa.text("SELECT 1")) == 1
    assert interrupt.is_set
    export = Export(ReadRouter(engine), Filters(), interrupt)
    export.begin()
    with pytest.raises(QueryTooSlow):
        export.next()


def test_a_page_ends_early_past_its_bytes(
    settings: StorageSettings, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = [made(FIRST_MS + number, message="x" * 900) for number in range(1200)]
    store(settings, events)
    monkeypatch.setattr(exporting, "PAGE_BYTES", 300_000)
    export = Export(ReadRouter(engine), Filters(), Interrupt())
    export.begin()
    pages = [export.next().lines for _ in range(4)]
    assert [len(lines) for lines in pages[:2]] == [500, 500]
    assert ids_of([line for page in pages for line in page]) == [event.id for event in events]


def test_partitions_that_are_dropped_meanwhile_end_nothing(
    settings: StorageSettings, engine: sa.Engine
) -> None:
    days = [made(FIRST_MS + day * 24 * 60 * MINUTE) for day in range(4)]
    make_days(settings, (to_datetime(created_ms(event)) for event in days))
    store(settings, days)
    export = Export(ReadRouter(engine), Filters(), Interrupt(), rows=1)
    export.begin()
    found = ids_of(export.next().lines)
    with short_engine(settings.database_url) as writing, writing.begin() as connection:
        second = to_datetime(FIRST_MS) + timedelta(days=1)
        name = name_of((second, second + timedelta(days=1)))
        connection.execute(sa.text(f"DROP TABLE {name}"))
    while True:
        page = export.next()
        found += ids_of(page.lines)
        if page.is_last:
            break
    assert found == [event.id for number, event in enumerate(days) if number != 1]
