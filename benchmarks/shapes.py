"""Define the queries of the benchmark: each filter alone, frequent and rare, and combinations.

Pure, except `samples`, which reads from the database.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

import msgspec

from benchmarks.events import (
    FREQUENT_COMPONENT,
    FREQUENT_ENVIRONMENT,
    MIDDLING_COMPONENT,
    RARE_COMPONENT,
    RARE_ENVIRONMENT,
    email,
)
from benchmarks.history import FIRST_DAY, History
from storage.events.reader import EventStore
from storage.model.event import Event
from storage.model.filters import Filters

Make = Callable[[int], Filters]
EventAt = Callable[[int], Event]


@dataclass(frozen=True, slots=True)
class Shape:
    """A kind of query; `make(n)` returns the nth query, so that none repeats soon."""

    name: str
    make: Make


@dataclass(frozen=True, slots=True)
class Samples:
    """Some events of the database, and the cursors of pages far back."""

    events: Sequence[Event]
    deep: UUID
    deep_frequent: UUID


PAGES = 1_000


def samples(store: EventStore, history: History, count: int = 200) -> Samples:
    """Take samples from all of the history; walks a thousand pages twice, in the largest pages."""
    spread = random.Random(history.rows)
    span = timedelta(days=history.days).total_seconds()
    events = [
        _event_at(store, Filters(end=FIRST_DAY + timedelta(seconds=spread.uniform(60, span))))
        for _ in range(count)
    ]
    back = min(PAGES * 100, history.rows // 4)
    frequent = Filters(component=(FREQUENT_COMPONENT,))
    return Samples(events, _behind(store, Filters(), back), _behind(store, frequent, back // 2))


def shapes(found: Samples, history: History) -> list[Shape]:
    """Return every shape."""

    def at(number: int) -> Event:
        return found.events[number % len(found.events)]

    def four_hours(number: int) -> Filters:
        start = FIRST_DAY + timedelta(days=number % history.days, hours=number % 20)
        return Filters(start=start, end=start + timedelta(hours=4))

    return [
        *_names(),
        *_messages(at),
        *_data_shapes(at),
        *_combinations(at),
        *_spans(found, four_hours),
        *_few_matches(found),
    ]


def _names() -> list[Shape]:
    """Return shapes of one name: component, environment, email, or none of them."""
    return [
        Shape("newest", lambda n: Filters(limit=100 - n % 50)),
        Shape(
            "component, frequent",
            lambda n: Filters(component=(FREQUENT_COMPONENT,), limit=100 - n % 50),
        ),
        Shape(
            "component, 1 in 100",
            lambda n: Filters(component=(MIDDLING_COMPONENT,), limit=100 - n % 50),
        ),
        Shape(
            "component, rare", lambda n: Filters(component=(RARE_COMPONENT,), limit=100 - n % 50)
        ),
        Shape(
            "component, any of three",
            lambda n: Filters(component=("auth", MIDDLING_COMPONENT, f"worker-{n % 48:02d}")),
        ),
        Shape(
            "environment, frequent",
            lambda n: Filters(environment=(FREQUENT_ENVIRONMENT,), limit=100 - n % 50),
        ),
        Shape(
            "environment, rare",
            lambda n: Filters(environment=(RARE_ENVIRONMENT,), limit=100 - n % 50),
        ),
        Shape("email, frequent", lambda n: Filters(email=(email(n),))),
        Shape("email, rare", lambda n: Filters(email=(email(99_000 + n),))),
        Shape("email, unknown", lambda n: Filters(email=(f"nobody{n}@example.com",))),
    ]


def _messages(at: EventAt) -> list[Shape]:
    """Return shapes of one part of the message."""
    return [
        Shape(
            "message, frequent word",
            lambda n: Filters(message=(("failed", "retrying", "captured", "signed in")[n % 4],)),
        ),
        Shape("message, an order number", lambda n: Filters(message=(_number_in(at(n).message),))),
        Shape(
            "message, frequent trigrams, few matches",
            lambda n: Filters(message=(f"version 2.{n % 40}.{n * 7 % 1000}",)),
        ),
        Shape(
            "message, frequent trigrams, no match",
            lambda n: Filters(
                message=(
                    ("declined by the carrier", "order captured", "signed by the issuer")[n % 3],
                )
            ),
        ),
        Shape("message, two letters", lambda n: Filters(message=(("ms", "RF", "EU")[n % 3],))),
    ]


def _data_shapes(at: EventAt) -> list[Shape]:
    """Return shapes of one object in `data`."""
    return [
        Shape(
            "data, frequent", lambda n: _data('{"customer":{"tier":"gold"}}', limit=100 - n % 50)
        ),
        Shape(
            "data, 1 in 80", lambda n: _data('{"customer":{"country":"IS"}}', limit=100 - n % 50)
        ),
        Shape("data, rare", lambda n: _data(_order_of(at(n)))),
        Shape(
            "data, rare in a list",
            lambda n: _data(
                f'{{"trace":{{"steps":[{{"name":"step-{n % 300}","host":"n{n % 64}"}}]}}}}'
            ),
        ),
    ]


def _combinations(at: EventAt) -> list[Shape]:
    """Return shapes of two filters."""
    return [
        Shape(
            "component and environment",
            lambda n: Filters(component=("checkout",), environment=("canary",), limit=100 - n % 50),
        ),
        Shape(
            "component rare, message frequent",
            lambda n: Filters(component=("batch-import",), message=("failed",), limit=100 - n % 50),
        ),
        Shape(
            "component frequent, data rare",
            lambda n: _data(_order_of(at(n)), component=(FREQUENT_COMPONENT,)),
        ),
        Shape("email and component", lambda n: Filters(email=(email(n),), component=("payments",))),
        Shape("email and message", lambda n: Filters(email=(email(n),), message=("failed",))),
    ]


def _spans(found: Samples, four_hours: Make) -> list[Shape]:
    """Return shapes of a span of time, an order, or a place far back."""
    return [
        Shape("four hours", four_hours),
        Shape(
            "four hours and component",
            lambda n: replace(four_hours(n), component=(MIDDLING_COMPONENT,)),
        ),
        Shape("four hours and message", lambda n: replace(four_hours(n), message=("failed",))),
        Shape(
            "oldest first",
            lambda n: Filters(order="asc", component=("billing",), limit=100 - n % 50),
        ),
        Shape(
            "page of 1,000", lambda n: Filters(component=(FREQUENT_COMPONENT,), limit=1000 - n % 50)
        ),
        Shape("page 1,000", lambda n: Filters(cursor=found.deep, limit=100 - n % 50)),
    ]


def _few_matches(found: Samples) -> list[Shape]:
    """Return shapes that read many rows for few events, or that lie far back in a component."""
    return [
        Shape(
            "component frequent, message without match",
            lambda n: Filters(
                component=(FREQUENT_COMPONENT,),
                message=("declined by the carrier",),
                limit=100 - n % 50,
            ),
        ),
        Shape(
            "component and environment, few matches",
            lambda n: Filters(
                component=("catalog",), environment=(RARE_ENVIRONMENT,), limit=100 - n % 50
            ),
        ),
        Shape(
            "data, two frequent, few matches",
            lambda n: _data('{"customer":{"tier":"platinum","country":"IS"}}', limit=100 - n % 50),
        ),
        Shape(
            "message and data frequent, few matches",
            lambda n: _data(
                '{"customer":{"tier":"platinum"}}',
                message=("is live in all regions",),
                limit=100 - n % 50,
            ),
        ),
        Shape("message, two letters, no match", lambda n: Filters(message=(("zq", "qz")[n % 2],))),
        Shape(
            "page 1,000 of a component",
            lambda n: Filters(
                component=(FREQUENT_COMPONENT,), cursor=found.deep_frequent, limit=100 - n % 50
            ),
        ),
    ]


def _event_at(store: EventStore, filters: Filters) -> Event:
    return store.page(replace(filters, limit=1)).events[0]


def _behind(store: EventStore, filters: Filters, count: int) -> UUID:
    """Return the cursor of the page after `count` events."""
    cursor: UUID | None = None
    for _ in range(count // 1000):
        page = store.page(replace(filters, cursor=cursor, limit=1000))
        cursor = UUID(page.events[-1].id)
    assert cursor is not None
    return cursor


def _number_in(message: str) -> str:
    """Return the longest number in the message: an order number, in most cases."""
    digits = "".join(letter if letter.isdigit() else " " for letter in message)
    return max(digits.split(), key=len)


def _order_of(event: Event) -> str:
    data = msgspec.json.decode(event.data) or {"order_id": 1}
    return f'{{"order_id":{data["order_id"]}}}'


def _data(containment: str, **others: object) -> Filters:
    return Filters(data=((containment,),), **others)  # type: ignore[arg-type]
