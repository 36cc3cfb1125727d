"""Serve the straightforward design: a typed FastAPI route that enqueues one RQ job per event.

The route is `def`, because RQ's client blocks: FastAPI runs it in its thread pool, as its
documentation advises. The queue is as durable as ours: the same server, AOF fsync always.
"""

import os
import uuid
from datetime import UTC, datetime
from typing import Any

import psycopg2
from fastapi import FastAPI
from psycopg2.extras import Json
from pydantic import BaseModel, Field
from redis import Redis
from rq import Queue

from benchmarks.rivals.serve import serve

QUEUE = "events"
JOB = "benchmarks.rivals.typed_rq.store"


class Event(BaseModel):
    """A posted event."""

    component: str = Field(min_length=1, max_length=255)
    environment: str = Field(min_length=1, max_length=255)
    message: str = Field(min_length=1)
    email: str | None = Field(None, max_length=320, pattern=r"^[^@\s]+@[^@\s]+$")
    data: dict[str, Any] | None = None


class Accepted(Event):
    """An accepted event."""

    id: uuid.UUID
    created_at: datetime


app = FastAPI()
queue = Queue(QUEUE, connection=Redis.from_url(os.environ.get("ACTIVITY_QUEUE_URL", "redis://")))


@app.post("/events", status_code=202)
def post(event: Event) -> Accepted:
    """Accept one event."""
    accepted = Accepted(id=uuid.uuid4(), created_at=datetime.now(UTC), **event.model_dump())
    queue.enqueue(JOB, accepted.model_dump(mode="json"), result_ttl=0, failure_ttl=300)
    return accepted


_connection: Any = None


def store(event: dict[str, Any]) -> None:
    """Insert one row, on a connection kept by the worker (the RQ job)."""
    global _connection
    if _connection is None:
        _connection = psycopg2.connect(os.environ["BENCHMARK_DSN"])
    with _connection, _connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO events (id, created_at, component, environment, message, email, data) "
            "VALUES (%(id)s, %(created_at)s, %(component)s, %(environment)s, %(message)s, "
            "%(email)s, %(data)s) ON CONFLICT DO NOTHING",
            {**event, "data": Json(event["data"])},
        )


if __name__ == "__main__":
    serve(app, lifespan="on")
