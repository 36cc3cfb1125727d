"""Compare pages from the cache with PostgreSQL."""

import time
from uuid import UUID

import sqlalchemy as sa

from tests.faults.chaos.client import get
from tests.faults.chaos.stack import Stack

LIMIT = 200
# for all pages; for 10 s after control lost its data no page is served from the cache
CACHED_SECONDS = 25

# the queries, each with the same condition in SQL
FILTERS: list[tuple[dict[str, object], str]] = [
    ({}, "true"),
    ({"component": "load-1"}, "component = 'load-1'"),
    ({"environment": "calm"}, "environment = 'calm'"),
    (
        {"component": "load-2", "environment": "chaos"},
        "component = 'load-2' AND environment = 'chaos'",
    ),
    ({"email": "user3@example.com"}, "email = 'user3@example.com'"),
    ({"message": "of the load", "component": "load-4"}, "component = 'load-4'"),
]


def visit(stack: Stack) -> None:
    """Read every page once, so that the cache holds pages from the middle of the run."""
    for port in stack.ports:
        for query, _ in FILTERS:
            get(port, "/events", limit=LIMIT, **query)


def stale_pages(stack: Stack) -> list[str]:
    """Return the errors in the pages, after everything has become quiet."""
    end = time.monotonic() + CACHED_SECONDS
    return [
        fault
        for query, condition in FILTERS
        for port in stack.ports
        for fault in _faults(stack, port, query, _truth(stack, condition), end)
    ]


def _faults(
    stack: Stack, port: int, query: dict[str, object], truth: list[str], end: float
) -> list[str]:
    seen: list[str] = []
    wrong: list[str] = []

    def cached() -> bool:
        answer = get(port, "/events", limit=LIMIT, **query)
        if answer.status == 200:
            seen.append(answer.cache)
            ids = [event["id"] for event in answer.json()["events"]]
            if ids != truth:
                wrong.append(f"page of {query}: not what PostgreSQL says ({answer.cache})")
        return answer.cache == "HIT"

    try:
        stack.wait(cached, "a page to come from the cache", end - time.monotonic())
    except AssertionError:
        wrong.append(f"page of {query}: never from the cache, last {seen[-1:]}")
    return wrong


def _truth(stack: Stack, condition: str) -> list[str]:
    query = f"SELECT id FROM events WHERE {condition} ORDER BY created_at DESC, id DESC LIMIT "
    with stack.database() as connection:
        found: list[UUID] = list(connection.scalars(sa.text(query + str(LIMIT))))
    return [str(event_id) for event_id in found]
