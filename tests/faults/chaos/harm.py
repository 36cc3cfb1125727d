"""Harm the servers themselves: full, read-only, emptied, sessions ended."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from random import Random
from typing import Any

import redis
import sqlalchemy as sa

from storage.redis.client import primary_addresses
from tests.faults.chaos.stack import Stack

UNDO_SECONDS = 30
_READ_ONLY = "default_transaction_read_only"
_END_SESSIONS = (
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
    "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
)


@contextmanager
def fill_queue(stack: Stack, rng: Random) -> Iterator[str]:
    """Lower the queue's memory limit below its use, on each of its primaries."""
    share = rng.uniform(0.5, 0.98)
    before: dict[str, int] = {}
    try:
        for url in primary_addresses(stack.urls.queue_url):
            with stack.server(url) as queue:
                before[url] = _limit(queue)
                info: Any = queue.info("memory")
                limit = int(info["used_memory"] * share)
                queue.config_set("maxmemory", limit)
        yield f"{limit:,} bytes"
    finally:
        for url, bytes_ in before.items():
            _undo(stack, partial(_set_limit, stack, url, bytes_))


@contextmanager
def read_only(stack: Stack, rng: Random) -> Iterator[str]:
    """Make PostgreSQL read-only at once, for open sessions too; undo it for all."""
    try:
        _alter(stack, f"SYSTEM SET {_READ_ONLY} = 'on'")
        yield "ALTER SYSTEM"
    finally:
        _undo(stack, lambda: _alter(stack, f"SYSTEM RESET {_READ_ONLY}"))


@contextmanager
def read_only_sessions(stack: Stack, rng: Random) -> Iterator[str]:
    """End open sessions; sessions that begin now stay read-only, even after the fault.

    This is like a failover that leaves clients connected to a server that has become a standby.
    """
    try:
        _alter(stack, f"DATABASE activity SET {_READ_ONLY} = 'on'")
        yield f"ALTER DATABASE, {_end_sessions(stack)} sessions ended"
    finally:
        _undo(stack, lambda: _alter(stack, f"DATABASE activity RESET {_READ_ONLY}"))


@contextmanager
def lose_control(stack: Stack, rng: Random) -> Iterator[str]:
    """Delete RQ's jobs and every cached page."""
    with stack.server(stack.urls.control_url) as control:
        control.flushall()
    yield "FLUSHALL"


@contextmanager
def end_sessions(stack: Stack, rng: Random) -> Iterator[str]:
    """End all sessions, whatever they are doing."""
    yield f"{_end_sessions(stack)} sessions"


def _end_sessions(stack: Stack) -> int:
    with stack.database() as connection:
        return int(connection.scalar(sa.text(_END_SESSIONS)) or 0)


def _alter(stack: Stack, what: str) -> None:
    with stack.database() as connection:
        connection.execute(sa.text(f"ALTER {what}"))
        connection.execute(sa.text("SELECT pg_reload_conf()"))


def _limit(queue: redis.Redis) -> int:
    found: Any = queue.config_get("maxmemory")
    return int(found["maxmemory"])


def _set_limit(stack: Stack, url: str, limit: int) -> None:
    with stack.server(url) as queue:
        queue.config_set("maxmemory", limit)


def _undo(stack: Stack, undo: Callable[[], None]) -> None:
    """Retry until it works: the server may be starting."""

    def tried() -> bool:
        try:
            undo()
        except (redis.RedisError, sa.exc.DBAPIError):
            return False
        return True

    stack.wait(tried, "a fault to be undone", UNDO_SECONDS)
