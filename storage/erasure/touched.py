"""What a transaction of an erasure leaves beside the changed rows: notices, late spans, hours."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from storage.events import feed_numbers, ngrams
from storage.postgres.tables import erased_events, erasure_hours

_NUMBER = sa.text("CAST(current_setting('activity.feed') AS bigint)")


class Touched(NamedTuple):
    """A stored event that was deleted or redacted."""

    created_at: datetime
    id: UUID
    component: str
    environment: str
    is_deleted: bool


def record(connection: sa.Connection, erasure: UUID, found: Sequence[Touched]) -> None:
    """Record the changes of this transaction, after them."""
    feed_numbers.claim(connection, feed_numbers.ERASURES)
    number = connection.scalar(sa.select(_NUMBER))
    notices = [{"feed": number, **one._asdict()} for one in found]
    for notice in notices:
        del notice["created_at"]
    connection.execute(erased_events.insert(), notices)
    hours = hours_of(found)
    ngrams.flag_late_hours(connection, hours)
    rows = [{"hour": hour, "erasure": erasure} for hour in hours]
    connection.execute(insert(erasure_hours).on_conflict_do_nothing(), rows)


def hours_of(found: Iterable[Touched]) -> list[datetime]:
    """Return the hours of these events, in order."""
    return sorted({one.created_at.replace(minute=0, second=0, microsecond=0) for one in found})


def hours(connection: sa.Connection, erasure: UUID) -> list[datetime]:
    """Return all hours that an erasure has touched."""
    query = sa.select(erasure_hours.c.hour).where(erasure_hours.c.erasure == erasure)
    return list(connection.scalars(query.order_by(erasure_hours.c.hour)))
