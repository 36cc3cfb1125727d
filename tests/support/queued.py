"""Put events on the queue, and read what happened to them."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
import redis
import sqlalchemy as sa

from storage.model.event import Event, encode_event, id_text, new_id, now_ms, time_text
from storage.postgres.engine import transaction
from storage.postgres.tables import dead_letters, events
from storage.queue.producer import QueueProducer
from storage.redis import keys
from storage.redis.client import connect_async
from storage.settings import StorageSettings


def make_event(
    message: str = "a message",
    ms: int | None = None,
    component: str = "orders",
    email: str | None = None,
    data: bytes = b"null",
) -> Event:
    """Make an event created at `ms`, or now, without validation."""
    ms = now_ms() if ms is None else ms
    raw = new_id(ms)
    body = msgspec.Raw(data)
    return Event(id_text(raw), time_text(ms), component, "production", message, email, body)


def make_events(count: int) -> list[Event]:
    """Make different events."""
    return [make_event(f"message {number}") for number in range(count)]


def id_bytes(event: Event) -> bytes:
    """Return the 16 bytes that are the event's id in the queue."""
    return UUID(event.id).bytes


def append(
    settings: StorageSettings, batch: Sequence[Event], shard: int = 0, oldest_ms: int | None = None
) -> int:
    """Append events to a shard as the API does; return the generation of the drain to enqueue."""
    items = [part for event in batch for part in (id_bytes(event), encode_event(event))]

    async def run() -> int:
        client = connect_async(settings.queue_url)
        try:
            oldest = now_ms() if oldest_ms is None else oldest_ms
            return (
                await QueueProducer(client, settings.shards).append(shard, oldest, items)
            ).generation
        finally:
            await client.aclose()
            await client.connection_pool.disconnect()

    return asyncio.run(run())


def state(queue: redis.Redis, shard: int = 0) -> dict[str, str]:
    """Return the shard's state hash."""
    found = queue.hgetall(keys.state(shard))
    return {name.decode(): value.decode() for name, value in found.items()}  # type: ignore[union-attr]


def backlog(queue: redis.Redis, shard: int = 0) -> int:
    """Return the number of entries that are not stored yet."""
    return int(queue.xlen(keys.stream(shard)))


def assert_balanced(queue: redis.Redis, shard: int = 0) -> None:
    """Assert accepted = trimmed + backlog, and that index and bytes match what is queued."""
    found = state(queue, shard)
    entries: Any = queue.xrange(keys.stream(shard))
    assert int(found.get("accepted", 0)) == int(found.get("trimmed", 0)) + len(entries)
    assert queue.hlen(keys.ids(shard)) == len(entries)
    assert int(found.get("bytes", 0)) == sum(len(fields[b"e"]) for _, fields in entries)


def stored_ids(engine: sa.Engine) -> Counter[str]:
    """Count how often each id is in the events table."""
    with engine.connect() as connection:
        return Counter(map(str, connection.scalars(sa.select(events.c.id))))


def dead_ids(engine: sa.Engine) -> Counter[str]:
    """Count how often each id is a dead letter."""
    with engine.connect() as connection:
        return Counter(map(str, connection.scalars(sa.select(dead_letters.c.id))))


def assert_stored_once(engine: sa.Engine, batch: Iterable[Event | str]) -> None:
    """Assert that exactly these events are in the table, each once."""
    wanted = Counter(item if isinstance(item, str) else item.id for item in batch)
    found = stored_ids(engine)
    assert found == wanted, f"missing {len(wanted - found)}, too many {len(found - wanted)}"


def stored_messages(engine: sa.Engine) -> Counter[str]:
    """Count how often each message is in the events table."""
    with engine.connect() as connection:
        return Counter(connection.scalars(sa.select(events.c.message)))


def add_dead_letter(engine: sa.Engine, event: Event, raw: bytes | None = None) -> None:
    """Make an event a dead letter, as a drain does when PostgreSQL refuses the event.

    `raw`: other bytes than the event's.
    """
    with transaction(engine) as connection:
        connection.execute(
            dead_letters.insert().values(
                created_at=datetime.fromisoformat(event.created_at),
                id=event.id,
                event=encode_event(event) if raw is None else raw,
                reason="none any longer",
            )
        )
