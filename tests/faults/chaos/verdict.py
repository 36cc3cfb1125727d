"""Judge the end of a run: is every acknowledged event there, exactly once?"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import redis
import sqlalchemy as sa

from storage.errors import QueueUnavailable
from storage.redis import keys
from tests.faults.chaos.client import get
from tests.faults.chaos.compare import Comparison, Numbered, compare
from tests.faults.chaos.letters import dead_letters, misplaced_letters
from tests.faults.chaos.pages import stale_pages
from tests.faults.chaos.stack import Stack, shard_tags
from tests.faults.chaos.truth import is_accounted

DRAINED_SECONDS = 60
STATUS_SECONDS = 15


@dataclass(frozen=True)
class Verdict:
    """The comparison, and all other errors."""

    comparison: Comparison
    unbalanced: Sequence[str]
    told: int  # events that /status tells as lost
    stale: Sequence[str]
    misplaced: Sequence[str]


def judge(stack: Stack, promised: list[Numbered], posted: list[range]) -> Verdict:
    """Wait until the backlog is empty (or for DRAINED_SECONDS), then compare everything."""
    unbalanced = [*_undrained(stack), *_unbalanced(stack), *_unbalanced_by_status(stack)]
    told = (_conservation(stack) or {}).get("lost") or 0
    dead, garbage = dead_letters(stack)
    comparison = compare(promised, stored_events(stack), dead, posted, _queued(stack))
    misplaced = misplaced_letters(stack.record, dead, garbage)
    return Verdict(comparison, unbalanced, told, stale_pages(stack), misplaced)


def _undrained(stack: Stack) -> list[str]:
    def idle() -> bool:
        try:
            with stack.queue() as queue:
                return not any(_backlog(queue, tag) for tag in shard_tags(queue))
        except (redis.RedisError, QueueUnavailable):
            return False

    try:
        stack.wait(idle, "the queue to be empty", DRAINED_SECONDS)
    except AssertionError:
        return [f"the queue is not empty after {DRAINED_SECONDS} s"]
    return []


def _unbalanced(stack: Stack) -> list[str]:
    with stack.queue() as queue:
        return [fault for tag in shard_tags(queue) for fault in _shard_faults(queue, tag)]


def _shard_faults(queue: redis.Redis, shard: keys.Tag) -> list[str]:
    found = queue.hmget(keys.state(shard), "accepted", "trimmed")
    accepted, trimmed = (int(value or 0) for value in found)
    waiting, known = _backlog(queue, shard), queue.hlen(keys.ids(shard))
    faults = []
    if accepted != trimmed + waiting:
        faults.append(f"shard {shard}: accepted {accepted}, trimmed {trimmed}, backlog {waiting}")
    if known != waiting:
        faults.append(f"shard {shard}: {waiting} queued, {known} in its index")
    return faults


def _unbalanced_by_status(stack: Stack) -> list[str]:
    """Return the answer of `/status` if it does not balance in time."""
    port = stack.ports[0]
    if get(port, "/status").status == 404:
        return []

    replicas = stack.outside.replicas if stack.outside else None

    def balanced() -> bool:
        found = _conservation(stack)
        return bool(found and found["balanced"] is not None and is_accounted(found, replicas))

    try:
        stack.wait(balanced, "/status to balance", STATUS_SECONDS)
    except AssertionError:
        return [f"GET /status: {get(port, '/status').body.decode()}"]
    return []


def _conservation(stack: Stack) -> dict[str, Any] | None:
    """Return what /status tells of the events' accounts, None if it does not answer."""
    answer = get(stack.ports[0], "/status")
    found: dict[str, Any] | None = answer.json()["conservation"] if answer.status == 200 else None
    return found


def _backlog(queue: redis.Redis, shard: keys.Tag) -> int:
    return int(queue.xlen(keys.stream(shard)))


def stored_events(stack: Stack) -> list[Numbered]:
    """Return every stored event."""
    query = "SELECT CAST(id AS text), CAST(data ->> 'n' AS bigint) FROM events"
    with stack.database() as connection:
        return [(event_id, number) for event_id, number in connection.execute(sa.text(query))]


def _queued(stack: Stack) -> set[str]:
    with stack.queue() as queue:
        found: list[Any] = [
            each for tag in shard_tags(queue) for each in queue.hkeys(keys.ids(tag))
        ]
    return {str(UUID(bytes=raw)) for raw in found}
