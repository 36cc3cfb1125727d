"""Counts of events, said plainly: what the statistics are compared with."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

import msgspec
import sqlalchemy as sa

from storage.model.event import Event, created_ms, new_id, to_datetime
from storage.model.normal_form import lower_ascii
from storage.postgres.engine import counting_engine
from storage.settings import StorageSettings

Key = tuple[object, ...]


def unhurried_engine(settings: StorageSettings) -> sa.Engine:
    """Make the engine for one reader whose budget is longer than the service's.

    PostgreSQL would end its transaction on a busy machine.
    """
    engine = counting_engine(settings.database_url, 1)
    sa.event.listen(engine, "connect", _lift_limit)
    return engine


def _lift_limit(connection: Any, _record: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET transaction_timeout = 0")
    connection.commit()


def event_at(instant: datetime, **fields: Any) -> Event:
    """Make an event that was created at this instant, to the millisecond."""
    ms = (instant - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    given = {"component": "c", "environment": "e", "message": "m", "email": None, **fields}
    data = msgspec.Raw(msgspec.json.encode(given.pop("data", None)))
    raw = new_id(ms).hex()
    event_id = f"{raw[:8]}-{raw[8:12]}-{raw[12:16]}-{raw[16:20]}-{raw[20:]}"
    text = to_datetime(ms).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return Event(id=event_id, created_at=text, data=data, **given)


def bar_of(instant: datetime, interval: str, zone: tzinfo) -> Key:
    """Return what is equal for instants of one bar: what a clock and a calendar there show."""
    local = instant.astimezone(zone)
    if interval in ("minute", "hour"):
        shown = local.replace(tzinfo=None, second=0, microsecond=0)
        return (shown if interval == "minute" else shown.replace(minute=0), local.utcoffset())
    if interval == "day":
        return (local.date(),)
    if interval == "month":
        return (local.year, local.month)
    return (local.isocalendar()[:2],)


def counted(events: Iterable[Event], interval: str, zone: tzinfo) -> Counter[Key]:
    """Return the number of events by their bar."""
    return Counter(bar_of(created(event), interval, zone) for event in events)


def created(event: Event) -> datetime:
    """Return when the event was created."""
    return to_datetime(created_ms(event))


def value_of(event: Event, group: object) -> str | None:
    """Return the value by which an event is counted; `group` is a field or a path in `data`."""
    if group in ("component", "environment"):
        return str(getattr(event, str(group)))
    if group == "email":
        return None if event.email is None else lower_ascii(event.email)
    found = msgspec.json.decode(event.data)
    assert isinstance(group, Sequence)
    for key in group:
        found = found.get(key) if isinstance(found, dict) else None
    return None if found is None else str(found)
