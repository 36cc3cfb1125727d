"""Counters and ids of the queue after a restore."""

import asyncio
import time
from typing import Any

import pytest
import redis

from storage.balance import is_balanced
from storage.events.ledger import read_ledger, read_positions
from storage.postgres.engine import short_engine
from storage.queue import counters
from storage.queue.inspector import Inspector, ShardState
from storage.redis import keys
from storage.redis.client import connect, connect_async
from storage.settings import StorageSettings
from tests.support.queued import append, make_events
from worker.emptying import empty_shards

SHARD = 0


@pytest.fixture
def queue(settings: StorageSettings) -> redis.Redis:
    return connect(settings.queue_url)


def now_id(ahead_ms: int = 0) -> str:
    return f"{int(time.time() * 1000) + ahead_ms}-7"


def test_ids_go_on_behind_the_ledger_also_where_there_is_no_stream(queue: redis.Redis) -> None:
    position = now_id(30_000)
    counters.continue_ids(queue, SHARD, position)
    assert queue.xlen(keys.stream(SHARD)) == 0
    given: Any = queue.xadd(keys.stream(SHARD), {"e": "x"})
    assert counters._parts(given.decode()) > counters._parts(position)


def test_ids_go_on_behind_entries_that_wait(queue: redis.Redis) -> None:
    queue.xadd(keys.stream(SHARD), {"e": "waits"})
    position = now_id(30_000)
    counters.continue_ids(queue, SHARD, position)
    assert queue.xlen(keys.stream(SHARD)) == 1
    given: Any = queue.xadd(keys.stream(SHARD), {"e": "x"})
    assert counters._parts(given.decode()) > counters._parts(position)


@pytest.mark.parametrize(
    "position",
    ["0-0", "5-1", pytest.param(now_id(10**9), id="in 11 days"), "18446744073709551615-1"],
)
def test_a_position_of_the_past_or_far_ahead_changes_no_id(
    queue: redis.Redis, position: str
) -> None:
    before = queue.xadd(keys.stream(SHARD), {"e": "x"})
    counters.continue_ids(queue, SHARD, position)
    found = queue.xinfo_stream(keys.stream(SHARD))["last-generated-id"]
    assert found == before


def balanced(settings: StorageSettings) -> bool:
    async def shards() -> list[ShardState]:
        client = connect_async(settings.queue_url)
        try:
            return await Inspector(client, settings.shards).shards()
        finally:
            await client.aclose()

    found = asyncio.run(shards())
    assert not any(shard.unaccounted for shard in found)
    with short_engine(settings.database_url) as engine:
        return is_balanced(found, found, read_ledger(engine))


@pytest.mark.parametrize("waits", [0, 3])
def test_counters_that_disagree_are_set_to_the_ledgers(
    settings: StorageSettings, queue: redis.Redis, waits: int
) -> None:
    append(settings, make_events(5))
    assert empty_shards(settings, settings.shards) == {}
    if waits:
        append(settings, make_events(waits))
    for shard in range(settings.shards):  # as of a queue that is older than PostgreSQL
        queue.hset(keys.state(shard), mapping={"accepted": waits, "trimmed": 0})
    with short_engine(settings.database_url) as engine:
        ledger, positions = read_ledger(engine), read_positions(engine)
    for shard in range(settings.shards):
        account = ledger.accounts.get(shard)
        counters.agree_with_ledger(
            queue, shard, account.total if account else 0, positions.get(shard, "0-0")
        )
    assert balanced(settings)
    assert sum(counters.accepted_counts(queue, settings.shards).values()) == 5 + waits
    assert empty_shards(settings, settings.shards) == {}
    assert balanced(settings)


def test_all_records_of_idempotency_keys_are_forgotten_and_nothing_else(
    queue: redis.Redis,
) -> None:
    queue.set(keys.idempotency_record(1, b"k"), "x", px=100_000)
    queue.zadd(keys.idempotency_expiry(1), {keys.idempotency_record(1, b"k"): 1})
    queue.hset(keys.state(1), "accepted", 1)
    queue.set("events:once:other", "y")
    assert counters.forget_idempotency_keys(queue) == 1
    assert sorted(queue.keys()) == [b"events:once:other", keys.state(1).encode()]
