"""Run FastStream + asyncpg: COPY batches of the stream into the table, then acknowledge them."""

import asyncio
import json

import asyncpg
from faststream import AckPolicy, FastStream
from faststream.redis import RedisBroker, StreamSub
from faststream_event import QUEUE_URL, STREAM, Event

COLUMNS = ["component", "environment", "message", "email", "data"]

broker = RedisBroker(QUEUE_URL, logger=None)
app = FastStream(broker, logger=None)
pools: list[asyncpg.Pool] = []


def batches(consumer: str, **more: int) -> StreamSub:
    """Return a consumer of the group."""
    return StreamSub(STREAM, group="store", consumer=consumer, batch=True, max_records=500, **more)


@app.on_startup
async def connect() -> None:
    """Connect to PostgreSQL; the rest of the address is in PGHOST, PGUSER and PGDATABASE."""
    pools.append(await asyncpg.create_pool("postgres://", min_size=1, max_size=2))


@broker.subscriber(stream=batches("new", polling_interval=100), ack_policy=AckPolicy.NACK_ON_ERROR)
@broker.subscriber(  # takes over the entries of a dead worker
    stream=batches("left", polling_interval=1000, min_idle_time=3000),
    ack_policy=AckPolicy.NACK_ON_ERROR,
)
async def store(events: list[Event]) -> None:
    """Store one batch."""
    rows = [
        (
            event.component,
            event.environment,
            event.message,
            event.email,
            None if event.data is None else json.dumps(event.data),
        )
        for event in events
    ]
    async with pools[0].acquire() as connection:
        await connection.copy_records_to_table("peer_events", columns=COLUMNS, records=rows)


if __name__ == "__main__":
    asyncio.run(app.run())
