"""What each filter means in SQL, on the real PostgreSQL."""

from typing import Any
from uuid import UUID

import msgspec
import pytest

from storage.events.reader import EventStore
from storage.model.filters import Filters
from storage.settings import StorageSettings
from tests.support import event_store
from tests.support.event_store import NOW, ids, messages
from tests.support.reading import made, store

events = event_store.events


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
