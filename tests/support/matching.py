"""Which events match some filters, said plainly: what the SQL and the cache are compared with."""

from collections.abc import Callable
from fnmatch import fnmatchcase
from glob import escape
from typing import Any
from uuid import UUID

import msgspec

from storage.model.event import Event, created_ms, to_datetime
from storage.model.filters import DECLARATIONS, Filters
from storage.model.normal_form import lower_ascii
from tests.support.where_rules import occurred, says

# Whether an event matches a filter that is given, by its field in `Filters`.
RULES: dict[str, Callable[[Event, Filters], bool]] = {
    "component": lambda event, filters: event.component in filters.component,
    "environment": lambda event, filters: event.environment in filters.environment,
    "within_component": lambda event, filters: is_within(event.component, filters.within_component),
    "within_environment": lambda event, filters: is_within(
        event.environment, filters.within_environment
    ),
    "not_component": lambda event, filters: event.component not in filters.not_component,
    "not_environment": lambda event, filters: event.environment not in filters.not_environment,
    "email": lambda event, filters: lower_ascii(event.email or "") in filters.email,
    "message": lambda event, filters: any(
        part.lower() in event.message.lower() for part in filters.message
    ),
    "data": lambda event, filters: all(
        any(contains(msgspec.json.decode(event.data), msgspec.json.decode(json)) for json in group)
        for group in filters.data
    ),
    "where": lambda event, filters: filters.where is None or says(filters.where, event),
    "start": lambda event, filters: filters.start is not None and at(event) >= filters.start,
    "end": lambda event, filters: filters.end is not None and at(event) < filters.end,
    "occurred_from": lambda event, filters: (
        filters.occurred_from is not None and occurred(event) >= filters.occurred_from
    ),
    "occurred_to": lambda event, filters: (
        filters.occurred_to is not None and occurred(event) < filters.occurred_to
    ),
    "cursor": lambda event, filters: is_behind(event, filters),
    "limit": lambda event, filters: True,
    "order": lambda event, filters: True,
}


def page_of(events: list[Event], filters: Filters) -> tuple[list[Event], bool]:
    """Return the page these filters ask for among these events, and whether more follow."""
    found = [event for event in events if matches(event, filters)]
    found.sort(key=lambda event: UUID(event.id), reverse=filters.order == "desc")
    return found[: filters.limit], len(found) > filters.limit


def matches(event: Event, filters: Filters) -> bool:
    """Whether the event is one of those that are asked for."""
    given = (name for name, each in DECLARATIONS.items() if getattr(filters, name) != each.default)
    return all(RULES[name](event, filters) for name in given)


def is_within(name: str, patterns: tuple[str, ...]) -> bool:
    """Whether a pattern is the name, or its beginning with `*` behind it."""
    return any(fnmatchcase(name, escape(one[:-1]) + one[-1:]) for one in patterns)


def contains(value: Any, part: Any) -> bool:
    """Return whether `value` contains `part` as jsonb has it, for the shapes that tests store."""
    if isinstance(part, dict):
        return isinstance(value, dict) and all(
            key in value and contains(value[key], part[key]) for key in part
        )
    if isinstance(part, list):
        return isinstance(value, list) and all(
            any(contains(item, each) for item in value) for each in part
        )
    return bool(value == part)


def is_behind(event: Event, filters: Filters) -> bool:
    """Return the time that the id begins with."""
    assert filters.cursor is not None
    if filters.order == "asc":
        return UUID(event.id) > filters.cursor
    return UUID(event.id) < filters.cursor


def at(event: Event) -> Any:
    """When it was created."""
    return to_datetime(created_ms(event))
