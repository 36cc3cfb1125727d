"""Run FastAPI + FastStream: a typed route that publishes each event to a Redis stream."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI
from faststream.redis import RedisBroker
from faststream_event import QUEUE_URL, STREAM, Event

broker = RedisBroker(QUEUE_URL, max_connections=1000)  # the default of 100 is too small for a burst


@asynccontextmanager
async def connected(_: FastAPI) -> AsyncIterator[None]:
    """Keep the connection to the queue while the application serves."""
    await broker.connect()
    yield
    await broker.stop()


app = FastAPI(lifespan=connected)


@app.post("/events", status_code=202)
async def post(event: Event) -> dict[str, str]:
    """Accept one event."""
    entry = await broker.publish(event, stream=STREAM)
    return {"id": entry.decode()}


if __name__ == "__main__":
    port = int(os.environ["PEER_PORT"])
    uvicorn.run(app, port=port, access_log=False, log_level="warning")
