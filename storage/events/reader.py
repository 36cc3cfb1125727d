"""Read the history: pages by filter, events by id."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from time import perf_counter_ns
from uuid import UUID

import sqlalchemy as sa

from storage.events.conditions import is_searched
from storage.events.page_rows import Page, event_of, page_of, read_rows
from storage.events.queries import (
    ANY_OF_SPAN,
    EVENT_COLUMNS,
    KNOWN_IDS,
    LETTER_COLUMNS,
    find_query,
    page_query,
)
from storage.events.search import search
from storage.metrics.instruments import query
from storage.model.entries import read_event
from storage.model.event import Event, span_ms
from storage.model.filters import Filters
from storage.model.receipt import StoredState
from storage.model.wal_position import WalPosition
from storage.postgres.engine import READ_LIMIT_MS, TimeLeft, outside_transaction, transaction
from storage.postgres.read_router import ReadRouter
from storage.postgres.tables import dead_letters, events, retention_state
from storage.tracing import span

# OpenTelemetry's names for a query of a database.
_OF_QUERY = {
    "db.system.name": "postgresql",
    "db.operation.name": "SELECT",
    "db.collection.name": "events",
}


class EventStore:
    """Queries of the events table, each in a transaction of its own. Threads may share it.

    `page_ms` is the time limit of a page.
    """

    def __init__(
        self, engine: sa.Engine, page_ms: int = READ_LIMIT_MS, router: ReadRouter | None = None
    ) -> None:
        """`engine` leads to the primary; without a `router` everything is read there."""
        self._engine = engine
        self._router = router or ReadRouter(engine)
        self._page_ms = page_ms

    def page(self, filters: Filters, wal: WalPosition | None = None) -> Page:
        """Return the page these filters ask for. Raises DatabaseUnavailable, QueryTooSlow.

        It may take several statements. All see one snapshot, which is taken after this call; of a
        standby only if it has replayed the place `wal`.
        """
        return self._measured(
            lambda: self._router.read_from(wal, lambda on: self._page(on, filters))
        )

    def routed_page(self, filters: Filters) -> Page:
        """Return the page likewise, of a standby if it has all that anybody may know of."""
        return self._measured(lambda: self._router.read(lambda on: self._page(on, filters)))

    def _measured(self, read: Callable[[], Page]) -> Page:
        with span("SELECT events", _OF_QUERY, "client") as measured:
            start = perf_counter_ns()
            try:
                page = read()
            finally:
                query.observe_since(start)
            measured.set_attribute("activity.page.events", len(page.events))
            return page

    def _page(self, connection: sa.Connection, filters: Filters) -> Page:
        time_left = TimeLeft(self._page_ms)
        if is_searched(filters):
            return search(connection, filters, time_left)
        return page_of(read_rows(connection, page_query(filters), time_left), filters.limit)

    def around(self, before: Filters, after: Filters) -> tuple[list[Event], list[Event]]:
        """Return both pages, in one snapshot; neither has filters that no index orders.

        A page past PAGE_BYTES ends early. Raises DatabaseUnavailable, QueryTooSlow.
        """

        def read(connection: sa.Connection) -> tuple[list[Event], list[Event]]:
            time_left = TimeLeft()

            def side(filters: Filters) -> list[Event]:
                if not filters.limit:
                    return []
                rows = read_rows(connection, page_query(filters), time_left)
                return page_of(rows, filters.limit).events

            return side(before), side(after)

        return self._router.read(read)

    def find(
        self, event_ids: Sequence[UUID], admits: Callable[[Event], bool] = lambda _: True
    ) -> dict[UUID, tuple[Event, StoredState]]:
        """Return those of these events that have left the queue. Raises DatabaseUnavailable.

        A dead letter that can't be read is left out: there is no event to show. The primary is
        asked for what a standby does not have; and, so that no client can tell the two apart, for
        what the client may not see: what `admits` is false for.
        """
        stored = self._router.on_standby(lambda connection: _stored(connection, event_ids))
        seen = stored[0] if stored else {}
        found: dict[UUID, tuple[Event, StoredState]] = {
            event_id: (event, "stored") for event_id, event in seen.items() if admits(event)
        }
        if rest := [event_id for event_id in event_ids if event_id not in found]:
            found |= self._router.on_primary(lambda connection: _left(connection, rest))
        return found

    def known(self, raw_ids: Sequence[bytes]) -> set[bytes]:
        """Return which of many events have left the queue, by their 16 id bytes.

        Each must be of a time that a `datetime` can hold. Raises DatabaseUnavailable.
        """
        span = dict(zip(("first", "last"), span_ms(raw_ids), strict=True))
        with outside_transaction(self._engine) as connection:  # one round trip if there are none
            # Most imports fill a time that has no events yet. Then the ids need not be sent.
            if not connection.exec_driver_sql(ANY_OF_SPAN, span).scalar_one():
                return set()
            times = [int.from_bytes(raw_id[:6], "big") for raw_id in raw_ids]
            digits = b"".join(raw_ids).hex()
            ids = [digits[at : at + 32] for at in range(0, len(digits), 32)]
            texts = {"times": f"{{{','.join(map(str, times))}}}", "ids": f"{{{','.join(ids)}}}"}
            asked = {**span, **texts}
            return {
                UUID(str(found)).bytes
                for found in connection.exec_driver_sql(KNOWN_IDS, asked).scalars()
            }

    def stored_states(self, event_ids: Sequence[UUID]) -> dict[UUID, StoredState]:
        """Return the state of those that have left the queue. Raises DatabaseUnavailable."""
        with transaction(self._engine) as connection:
            dead = connection.scalars(find_query(dead_letters, event_ids, [dead_letters.c.id]))
            found: dict[UUID, StoredState] = dict.fromkeys(dead, "dead")
            stored = connection.scalars(find_query(events, event_ids, [events.c.id]))
            found.update(dict.fromkeys(stored, "stored"))
        return found

    def horizon(self) -> datetime | None:
        """Return the instant before which retention has removed events; None if it never has.

        Raises DatabaseUnavailable.
        """
        with transaction(self._engine) as connection:
            found: datetime | None = connection.scalar(sa.select(retention_state.c.horizon))
        return found

    def ping(self) -> None:
        """Raise DatabaseUnavailable if the history can't be read."""
        with transaction(self._engine) as connection:
            connection.execute(sa.select(sa.literal(1)).select_from(events).limit(0))

    def close(self) -> None:
        """Close the connections."""
        self._router.close()


def _stored(connection: sa.Connection, event_ids: Sequence[UUID]) -> dict[UUID, Event]:
    rows = connection.execute(find_query(events, event_ids, EVENT_COLUMNS))
    return {row.id: event_of(row) for row in rows}


def _left(
    connection: sa.Connection, event_ids: Sequence[UUID]
) -> dict[UUID, tuple[Event, StoredState]]:
    """Return those that are stored or dead letters; a letter that was stored later is stored."""
    found: dict[UUID, tuple[Event, StoredState]] = {}
    for row in connection.execute(find_query(dead_letters, event_ids, LETTER_COLUMNS)):
        with suppress(ValueError):
            found[row.id] = (read_event(bytes(row.event)), "dead")
    for event_id, event in _stored(connection, event_ids).items():
        found[event_id] = (event, "stored")
    return found
