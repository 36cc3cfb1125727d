"""A history of some past days with all that belongs to it, and runs of retention over it."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import redis
import sqlalchemy as sa

from storage.events import hour_counter, ngram_builder
from storage.model.event import Event, encode_event, to_ms
from storage.postgres import partitions
from storage.postgres.engine import plain_engine, transaction
from storage.postgres.tables import dead_letters
from storage.redis.client import connect
from storage.retention.plan import Policy
from storage.retention.run import Run, run_retention
from storage.settings import StorageSettings
from tests.support.reading import made, make_days, store

DAY = timedelta(days=1)
EVENTS = 3  # of each day

BELONGING = {
    "message_spans": "start_at",
    "message_grams": "span",
    "event_hours": "hour",
    "dead_letters": "created_at",
}
"""Tables with rows of a day, and the column that says of which."""


def today() -> datetime:
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


@dataclass(frozen=True)
class History:
    """Servers with events of each of the last days, today included; `days[0]` is the oldest."""

    settings: StorageSettings
    engine: sa.Engine
    control: redis.Redis
    days: Sequence[datetime]
    events: Sequence[Event]

    def run(self, days: int | None = 5, **more: Any) -> Run | None:
        """Run retention, confirmed unless `is_confirmed` says otherwise."""
        budget = more.pop("disk_budget", None)
        more = {"is_confirmed": True, **more}
        return run_retention(self.engine, self.control, Policy(days, budget), **more)

    def execute(self, text: str, **values: Any) -> None:
        with transaction(self.engine) as connection:
            connection.execute(sa.text(text), values)

    def rows(self, text: str, **values: Any) -> list[Any]:
        with transaction(self.engine) as connection:
            return list(connection.execute(sa.text(text), values).all())

    def partitions(self) -> list[datetime]:
        """Return the beginnings of the partitions."""
        with transaction(self.engine) as connection:
            return [start for start, _ in partitions.existing(connection)]

    def tables(self) -> list[str]:
        """Return the names of all tables of the history, attached or not."""
        found = self.rows(
            r"SELECT relname FROM pg_class WHERE relname ~ '^events_\d+_\d+$' AND relkind = 'r' "
            "ORDER BY 1"
        )
        return [row.relname for row in found]

    def stored(self) -> list[datetime]:
        """Return the days of which there are events."""
        found = self.rows("SELECT DISTINCT date_trunc('day', created_at) AS day FROM events")
        return sorted(row.day for row in found)

    def belonging(self, day: datetime) -> dict[str, int]:
        """Return how many rows of the day each table beside `events` has."""
        return {
            table: self.rows(
                f"SELECT count(*) AS n FROM {table} WHERE {column} >= :day AND {column} < :end",
                day=day,
                end=day + DAY,
            )[0].n
            for table, column in BELONGING.items()
        }

    def end_state(self) -> dict[str, Any]:
        """Return everything that a run of retention leaves, but for times."""
        state = self.rows(
            "SELECT horizon, partitions_removed, rows_removed, due, held, is_braked "
            "FROM retention_state"
        )
        return {
            "tables": self.tables(),
            "stored": self.stored(),
            "belonging": [self.belonging(day) for day in self.days],
            "counted": len(self.rows("SELECT * FROM counted_partitions")),
            "state": [tuple(row) for row in state],
            "removed": [
                row.name
                for row in self.rows(
                    "SELECT name FROM removed_partitions WHERE removed_at IS NOT NULL ORDER BY 1"
                )
            ],
            "unfinished": self.rows("SELECT * FROM removed_partitions WHERE removed_at IS NULL"),
            "pending": self.control.zrange("cache:pending_writers", 0, -1),
        }


@contextmanager
def history(settings: StorageSettings, number: int = 9) -> Iterator[History]:
    """Yield a history of so many days, each with its n-grams, counts and a dead letter."""
    engine, control = plain_engine(settings.database_url, pool=3), connect(settings.control_url)
    days = [today() - n * DAY for n in reversed(range(number))]
    with closing(control):
        make_days(settings, days)
        events = [
            made(to_ms(day) + n, message=f"event {n}", email=f"{day:%d}@example.com")
            for day in days
            for n in range(EVENTS)
        ]
        store(settings, events)
        with transaction(engine) as connection:
            for day in days:
                add_letter(connection, made(to_ms(day) + EVENTS, message="dead"))
        with transaction(engine) as connection:
            connection.exec_driver_sql("ANALYZE events")
        hour_counter.count_missing(engine)
        while ngram_builder.record_next(engine):
            pass
        yield History(settings, engine, control, days, events)
        engine.dispose()


def add_letter(connection: sa.Connection, event: Event) -> None:
    """Add a dead letter of the event."""
    values = {
        "created_at": datetime.fromisoformat(event.created_at),
        "id": event.id,
        "event": encode_event(event),
        "reason": "a test",
    }
    connection.execute(dead_letters.insert().values(values))
