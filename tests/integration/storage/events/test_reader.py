"""What each filter means in SQL, on the real PostgreSQL."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Literal
from uuid import UUID

import msgspec
import pytest
import sqlalchemy as sa

from storage.errors import QueryTooSlow
from storage.events import page_rows, search
from storage.events.page_rows import Page
from storage.events.reader import EventStore
from storage.model.event import Event, now_ms, to_datetime
from storage.model.filters import Filters
from storage.postgres.engine import plain_engine, reading_engine, transaction
from storage.settings import StorageSettings
from tests.support.reading import made, store

NOW = now_ms()


@pytest.fixture
def events(settings: StorageSettings) -> Iterator[EventStore]:
    found = EventStore(reading_engine(settings.database_url, 2))
    yield found
    found.close()


def ids(page: Page) -> list[str]:
    return [event.id for event in page.events]


def messages(events: EventStore, *parts: str) -> list[str]:
    found = events.page(Filters(message=parts, order="asc")).events
    return [event.message for event in found]


# --- message -----------------------------------------------------------------------------------

MESSAGES = [
    "100% sure",
    "100 percent",
    "snake_case",
    "snakeXcase",
    r"C:\temp\new",
    "C:/temp/new",
    "C:temp",
    "ÄRGER in Köln",
    'it\'s "quoted"',
    "a %s and %(b)s of psycopg",
    "two\nlines",
    ":colon $1 {brace}",
]


@pytest.mark.parametrize(
    ("part", "found"),
    [
        ("%", ["100% sure", "a %s and %(b)s of psycopg"]),
        ("0%", ["100% sure"]),
        ("_", ["snake_case"]),
        ("E_C", ["snake_case"]),
        ("\\", [r"C:\temp\new"]),
        ("\\T", [r"C:\temp\new"]),
        ("/", ["C:/temp/new"]),
        ("/t", ["C:/temp/new"]),
        ("//", []),
        ("SNAKE", ["snake_case", "snakeXcase"]),
        ("ärger", ["ÄRGER in Köln"]),
        ("KÖLN", ["ÄRGER in Köln"]),
        ("'S \"Q", ['it\'s "quoted"']),
        ("%S AND %(B)s", ["a %s and %(b)s of psycopg"]),
        ("o\nL", ["two\nlines"]),
        (":COLON $1 {", [":colon $1 {brace}"]),
        ("100% sure of it", []),
    ],
)
def test_a_message_is_found_by_any_part_of_it_in_any_case_and_nothing_in_it_is_special(
    settings: StorageSettings, events: EventStore, part: str, found: list[str]
) -> None:
    store(settings, [made(NOW, message=message) for message in MESSAGES])
    assert messages(events, part) == found


def test_several_parts_of_a_message_mean_any_of_them(
    settings: StorageSettings, events: EventStore
) -> None:
    store(settings, [made(NOW, message=message) for message in MESSAGES])
    assert messages(events, "_", "temp\\", "nowhere") == ["snake_case", r"C:\temp\new"]


# --- component, environment, email -------------------------------------------------------------


def test_component_and_environment_are_equal_to_any_of_the_values_in_their_case(
    settings: StorageSettings, events: EventStore
) -> None:
    stored = [
        made(NOW, component, environment)
        for component in ("orders", "Orders", "billing", "order")
        for environment in ("production", "staging")
    ]
    store(settings, stored)

    def found(**filters: Any) -> list[tuple[str, str]]:
        page = events.page(Filters(order="asc", **filters))
        return [(event.component, event.environment) for event in page.events]

    assert found(component=("orders",)) == [("orders", "production"), ("orders", "staging")]
    assert found(component=("billing", "order"), environment=("staging",)) == [
        ("billing", "staging"),
        ("order", "staging"),
    ]
    assert found(component=("%",)) == []
    assert len(found(environment=("production", "staging"))) == len(stored)


def test_excluded_components_and_environments_are_none_of_the_values_in_their_case(
    settings: StorageSettings, events: EventStore
) -> None:
    store(settings, [made(NOW, name, "staging") for name in ("orders", "Orders", "billing")])
    store(settings, [made(NOW, "orders", "production")])

    def found(**filters: Any) -> list[tuple[str, str]]:
        page = events.page(Filters(order="asc", **filters))
        return [(event.component, event.environment) for event in page.events]

    billing, upper, lower = ((name, "staging") for name in ("billing", "Orders", "orders"))
    assert found(not_component=("orders",)) == [upper, billing]
    assert found(not_component=("orders", "billing")) == [upper]
    assert found(not_environment=("production",), not_component=("Orders",)) == [lower, billing]
    assert found(component=("orders", "billing"), not_component=("orders",)) == [billing]
    assert found(component=("orders",), not_component=("orders",)) == []
    assert found(message=("shipped",), not_component=("orders", "Orders")) == [billing]


def test_an_email_is_equal_in_any_ascii_case_and_only_that(
    settings: StorageSettings, events: EventStore
) -> None:
    emails = [
        "Jo@Example.COM",
        "jo@example.com",
        "jö@example.com",
        "JÖ@example.com",
        None,
        "j_@b.c",
    ]
    store(settings, [made(NOW, email=email) for email in emails])

    def found(*email: str) -> list[str | None]:
        return [event.email for event in events.page(Filters(email=email, order="asc")).events]

    assert found("JO@EXAMPLE.com") == ["Jo@Example.COM", "jo@example.com"]
    assert found("jö@EXAMPLE.com") == ["jö@example.com"]
    assert found("JÖ@example.com", "J_@B.C") == ["JÖ@example.com", "j_@b.c"]


# --- data --------------------------------------------------------------------------------------

DATA = [
    "null",
    '{"user":{"id":7,"name":"Jo"},"tags":["a","b"]}',
    '{"user":{"id":7.0}}',
    '{"user":{"id":"7"}}',
    '{"user":{"id":70}}',
    '{"user":null}',
    '[{"user":{"id":7}}]',
    '"user"',
    '{"big":12345678901234567890123,"fine":0.10000000000000000001}',
    '{"it\'s":"%s :x \\\\ \\u00e9"}',
]


@pytest.mark.parametrize(
    ("groups", "found"),
    [
        ((('{"user":{"id":7}}',),), [1, 2]),
        ((('{"user":{"id":"7"}}',),), [3]),
        ((('{"user":{}}',),), [1, 2, 3, 4]),
        ((('{"user":null}',),), [5]),
        ((('{"tags":["b"]}',),), [1]),
        ((('{"user":{"id":70}}', '{"tags":["a"]}'),), [1, 4]),
        ((('{"user":{"id":7}}',), ('{"tags":["a"]}', '{"tags":["z"]}')), [1]),
        ((('{"big":12345678901234567890123}',),), [8]),
        ((('{"big":12345678901234567890124}',),), []),
        ((('{"fine":0.10000000000000000001}',),), [8]),
        ((('{"it\'s":"%s :x \\\\ é"}',),), [9]),
        ((("{}",),), [1, 2, 3, 4, 5, 8, 9]),
    ],
)
def test_data_contains_any_of_a_group_and_something_of_each_group(
    settings: StorageSettings,
    events: EventStore,
    groups: tuple[tuple[str, ...], ...],
    found: list[int],
) -> None:
    stored = [made(NOW, data=data) for data in DATA]
    store(settings, stored)
    page = events.page(Filters(data=groups, order="asc"))
    assert ids(page) == [stored[number].id for number in found]


def test_an_event_comes_back_as_it_was_posted(
    settings: StorageSettings, events: EventStore
) -> None:
    number = '{"big": 12345678901234567890123, "fine": 1.10, "e": 1e5}'
    event = made(NOW, "c", "e", "tab\t back\\slash \\N", "A@b.c", number)
    store(settings, [event, made(NOW)])
    found, state = events.find([UUID(event.id)])[UUID(event.id)]
    assert state == "stored"
    kept = ("id", "created_at", "component", "environment", "message", "email")
    assert [getattr(found, name) for name in kept] == [getattr(event, name) for name in kept]
    assert b"12345678901234567890123" in bytes(found.data)
    assert b"1.10" in bytes(found.data)
    assert msgspec.json.decode(found.data) == msgspec.json.decode(number)


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
                f"message || pg_sleep({seconds_a_row})::text AS message "
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
        EventStore(engine).page(Filters(limit=1000))
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
