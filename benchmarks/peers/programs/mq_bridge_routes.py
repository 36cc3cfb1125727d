"""Run mq-bridge: HTTP -> Redis stream -> PostgreSQL. The work is in Rust; this names the routes.

An event that does not fit the schema is answered with 202 and dropped.
"""

import os

from mq_bridge import Route, init_logging

QUEUE = {"url": os.environ["PEER_QUEUE_URL"], "stream": "events"}
TEXT = {"type": "string"}
SCHEMA = {
    "type": "object",
    "required": ["component", "environment", "message"],
    "properties": {
        "component": TEXT,
        "environment": TEXT,
        "message": TEXT,
        "email": {"type": "string", "nullable": True},
        "data": {"type": "object", "nullable": True},
    },
}
BATCHES = {"batch_size": 500, "required_delivery": "at_least_once"}


def store() -> Route:
    """Move batches from the stream into the table, and acknowledge them after the commit."""
    group = {"group": "store", "read_from_start": True, "redelivery_timeout_ms": 3000}
    return Route.from_config(
        {
            "input": {"redis_streams": {**QUEUE, **group}},
            # The rest of the address is in PGHOST, PGUSER and PGDATABASE. `bulk_copy` would cost
            # PostgreSQL less, but takes texts and numbers only: `data` would be NULL.
            "output": {"sqlx": {"url": "postgres://", "table": "peer_events", "columns": "auto"}},
            **BATCHES,
        }
    )


def accept() -> Route:
    """Move events from HTTP into the stream; answer when the stream has them."""
    address = f"127.0.0.1:{os.environ['PEER_PORT']}"
    http = {"url": address, "path": "/events", "method": "POST", "internal_buffer_size": 1000}
    checked = {"transform": {"schema": SCHEMA, "coerce": False}}
    return Route.from_config(
        {
            "input": {"http": http, "middlewares": [checked]},
            "output": {"redis_streams": QUEUE},
            **BATCHES,
        }
    )


if __name__ == "__main__":
    init_logging("warn")
    storing = store()
    storing.start()
    accept().run()
