"""How much of `data` is looked at for its keys."""

import json

from msgspec import Raw

from storage.events.page_rows import Page
from storage.model.event import Event
from storage.model.filters import Filters
from storage.statistics.newest_keys import MAX_PATHS, NewestKeys, newest_keys


def _with_keys(number: int, keys: int) -> Event:
    data = {f"{number}-{key}": 1 for key in range(keys)}
    return Event(
        id=f"01928e3c-0000-7000-8000-{number:012d}",
        created_at="2026-10-25T12:00:00.000Z",
        component="c",
        environment="e",
        message="m",
        email=None,
        data=Raw(json.dumps(data).encode()),
    )


def _found(events: list[Event]) -> NewestKeys:
    found = newest_keys(lambda _: Page(events, more=False), Filters(), bool)
    assert found
    return found


def test_no_event_is_looked_at_once_there_are_too_many_paths() -> None:
    half = MAX_PATHS // 2 + 1
    found = _found([_with_keys(number, half) for number in range(10)])
    assert (found.newest, len(found.paths)) == (2, 2 * half)


def test_an_event_of_very_many_keys_is_looked_at_as_a_whole() -> None:
    found = _found([_with_keys(0, 2 * MAX_PATHS), _with_keys(1, 1)])
    assert (found.newest, len(found.paths)) == (1, 2 * MAX_PATHS)
