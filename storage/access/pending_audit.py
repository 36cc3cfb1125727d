"""Audit lines on the queue: each change of a key there adds one, and maintenance moves them."""

from typing import Any

import redis
import sqlalchemy as sa

from storage.access.audit import AuditLine, UnreadableLine, add_lines, decode_line
from storage.access.key_queue import MAX_AUDIT_LINES
from storage.postgres.engine import transaction
from storage.redis import keys as names
from storage.server_errors import queue_errors

_PAGE = 500


def pending_lines(queue: redis.Redis) -> list[AuditLine]:
    """Return the lines that wait on the queue, and skip what is no line.

    Raises QueueUnavailable.
    """
    return [line for raw in _raw(queue) if (line := _line(raw))]


def move_lines(queue: redis.Redis, engine: sa.Engine) -> int:
    """Move the lines into PostgreSQL. Return how many entries are no lines: they stay.

    A line leaves the queue after its commit. A killed move is repeated: a line that is in the table
    already is not added again. Raises QueueUnavailable, DatabaseUnavailable, DatabaseMismatch.
    """
    waiting = {raw: _line(raw) for raw in _raw(queue)}
    readable = [(raw, line) for raw, line in waiting.items() if line]
    for at in range(0, len(readable), _PAGE):
        page = readable[at : at + _PAGE]
        with transaction(engine) as connection:
            add_lines(connection, [line for _, line in page])
        with queue_errors():
            for raw, _ in page:
                queue.lrem(names.api_key_names(queue).audit, 0, raw)
    return len(waiting) - len(readable)


def _raw(queue: redis.Redis) -> list[Any]:  # bytes, which redis-py's types do not say
    with queue_errors():
        found: list[Any] = queue.lrange(names.api_key_names(queue).audit, 0, MAX_AUDIT_LINES - 1)
    return found


def _line(raw: Any) -> AuditLine | None:
    try:
        return decode_line(raw)
    except UnreadableLine:
        return None
