"""Drains while a person is erased: events that wait are dropped, and everything balances."""

from typing import Any
from uuid import uuid4

import pytest
import redis
import sqlalchemy as sa

from storage.cache.invalidation import CacheInvalidator
from storage.events.ledger import read_accounts
from storage.events.writer import BatchTransaction
from storage.model.erasing import Address, Tombstone
from storage.model.event import Event, now_ms
from storage.queue.lease import ShardLease
from storage.queue.tombstones import QueueTombstones
from storage.redis import keys
from tests.support import drain_bench
from tests.support.drain_bench import Bench, Gate, Killed, Running, failing_once
from tests.support.queued import append, backlog, dead_ids, make_event, state, stored_messages

bench = drain_bench.bench

JO = "jo@example.com"


def some_events() -> list[Event]:
    return [
        make_event("of another", email="banjo@example.com"),
        make_event("of Jo", email="Jo@Example.com"),
        make_event("of nobody, for jo@EXAMPLE.com", data=b'{"to": ["jo\\u0040example.com"]}'),
        make_event("of Jo too", email=JO),
    ]


def entomb(bench: Bench, before_ms: int | None = None) -> Tombstone:
    stone = Tombstone(uuid4(), Address.of(JO), before_ms or now_ms() + 1)
    QueueTombstones(bench.queue, 1).put(0, stone, 0)
    return stone


def assert_erased(bench: Bench, dropped: int, appended: int) -> None:
    """Check that nothing of Jo is stored, and that every entry is accounted for."""
    messages = stored_messages(bench.engine)
    assert not [one for one in messages if "Jo" in one or "jo@" in one.lower()], messages
    account = read_accounts(bench.engine)[0]
    assert (account.erased, account.total) == (dropped, appended), account
    assert backlog(bench.queue) == bench.queue.hlen(keys.ids(0)) == 0
    found = state(bench.queue)
    assert (int(found["trimmed"]), int(found.get("foreign", 0))) == (appended, 0)
    bench.assert_no_pending_tags()


def test_events_that_wait_are_dropped_and_the_address_is_written_over(bench: Bench) -> None:
    append(bench.settings, some_events())
    stone = entomb(bench)
    later = make_event("of Jo, later", email=JO, ms=stone.before_ms)
    append(bench.settings, [later])
    assert bench.drain(bench.worker()) == "done"
    messages = stored_messages(bench.engine)
    assert set(messages) == {"of another", "of nobody, for [erased]", "of Jo, later"}
    with bench.engine.connect() as connection:
        data = connection.scalars(sa.text("SELECT data::text FROM events WHERE data IS NOT NULL"))
        assert data.all() == ['{"to": ["[erased]"]}']
        touched = connection.execute(sa.text("SELECT erasure FROM erasure_hours")).all()
    assert {row.erasure for row in touched} == {stone.erasure}
    account = read_accounts(bench.engine)[0]
    assert (account.stored, account.erased, account.duplicates) == (3, 2, 0)
    assert backlog(bench.queue) == bench.queue.hlen(keys.ids(0)) == 0


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    ("owner", "step"),
    [
        (BatchTransaction, "insert"),
        (BatchTransaction, "record_counts"),
        (CacheInvalidator, "begin_write"),
        (CacheInvalidator, "end_write"),
        (ShardLease, "acknowledge"),
    ],
)
def test_a_drain_that_is_killed_while_it_erases_is_balanced_by_the_next_one(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, owner: type, step: str, when: str
) -> None:
    append(bench.settings, some_events())
    entomb(bench)
    with monkeypatch.context() as patched:
        failing_once(patched, owner, step, when, Killed())
        with pytest.raises(Killed):
            bench.drain(bench.worker())
    bench.expire()
    assert bench.drain(bench.worker()) == "done"
    assert_erased(bench, dropped=2, appended=4)


@pytest.mark.parametrize("step", ["insert", "record_counts"])
def test_a_drain_that_runs_when_the_tombstone_comes_cannot_acknowledge(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """It may commit, and what it has stored is counted once. The erasure deletes that later."""
    append(bench.settings, some_events())
    gate = Gate()
    original: Any = getattr(BatchTransaction, step)

    def stop(self: BatchTransaction, *args: Any) -> Any:
        if not gate.reached.is_set():
            gate.stop_here()
        return original(self, *args)

    monkeypatch.setattr(BatchTransaction, step, stop)
    running = Running(bench, bench.worker())
    assert gate.reached.wait(20)
    entomb(bench)
    gate.open.set()
    assert running.join() == "lost"
    bench.expire()
    assert bench.drain(bench.worker()) == "done"
    account = read_accounts(bench.engine)[0]
    assert (account.stored, account.erased, account.total) == (4, 0, 4)
    assert backlog(bench.queue) == 0
    bench.assert_no_pending_tags()


def test_a_batch_that_has_only_events_of_the_person_stores_nothing(bench: Bench) -> None:
    append(bench.settings, [make_event("of Jo", email=JO) for _ in range(20)])
    entomb(bench)
    assert bench.drain(bench.worker()) == "done"
    assert_erased(bench, dropped=20, appended=20)


def test_entries_of_the_person_that_are_no_events_become_no_dead_letters(bench: Bench) -> None:
    append(bench.settings, some_events())
    raw = b'{"email": "JO@example.com", "by": "another program"}'
    bench.queue.xadd(keys.stream(0), {"e": raw})
    bench.queue.xadd(keys.stream(0), {"e": b"names jo@example.com"})
    entomb(bench)
    assert bench.drain(bench.worker()) == "done"
    assert len(dead_ids(bench.engine)) == 1
    with bench.engine.connect() as connection:
        kept = connection.scalar(sa.text("SELECT event FROM dead_letters"))
    assert bytes(kept) == b"names [erased]"
    account = read_accounts(bench.engine)[0]
    assert (account.erased, account.dead, account.total) == (3, 1, 6)
    assert int(state(bench.queue)["foreign"]) == 2


def test_a_removed_tombstone_is_forgotten(bench: Bench, settings: Any) -> None:
    stone = entomb(bench)
    stones = QueueTombstones(bench.queue, 1)
    assert stones.find(stone.erasure) == {0: stone}
    stones.remove(stone.erasure)
    assert stones.find(stone.erasure) == {}
    assert not bench.queue.exists(keys.tombstones(0))
    append(bench.settings, [make_event("of Jo", email=JO)])
    assert bench.drain(bench.worker()) == "done"
    assert list(stored_messages(bench.engine)) == ["of Jo"]


def test_a_queue_without_tombstones_is_asked_nothing_more(bench: Bench) -> None:
    assert not isinstance(bench.queue, redis.RedisCluster)
    lease = ShardLease(bench.queue, 0, 60_000)
    assert lease.acquire(0)
    assert lease.tombstones == ()
