"""The keys of a process follow both stores, whichever of them answers."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping
from datetime import datetime
from typing import Any
from unittest import mock

import pytest

from api.auth import key_watch
from api.auth.key_ring import KeyRing
from api.auth.key_watch import KeyWatch
from api.http.problems import Problem
from storage.access.key_records import KeyRecords
from storage.errors import DatabaseUnavailable, QueueUnavailable
from tests.support.keys import TestKey, new_key, records, revoked

TURNS = 30_000


class FakeStores:
    """Two stores that a test fills and takes away."""

    def __init__(self) -> None:
        self.queue, self.table = KeyRecords(), KeyRecords()
        self.number = 0
        self.queue_away = self.table_away = False
        self.asked = 0
        self.loads: list[str] = []
        self.uses: dict[str, datetime] = {}
        self.hangs = asyncio.Event()
        self.hangs.set()

    async def asked_again(self, times: int = 20) -> None:
        """Wait until the queue was asked for its version so many times more."""
        last = self.asked + times
        await until(lambda: self.asked >= last)

    async def version(self) -> str | None:
        self.asked += 1
        await self.hangs.wait()
        return None if self.queue_away else str(self.number)

    async def load_queue(self) -> tuple[str, KeyRecords]:
        if self.queue_away:
            raise QueueUnavailable("away")
        self.loads.append("queue")
        return str(self.number), self.queue

    async def load_table(self) -> KeyRecords:
        if self.table_away:
            raise DatabaseUnavailable("away")
        self.loads.append("table")
        return self.table

    async def record_use(self, uses: Mapping[str, datetime]) -> None:
        if self.queue_away:
            raise QueueUnavailable("away")
        self.uses |= uses

    def change(self, *keys: Any) -> None:
        self.queue, self.number = records(*keys), self.number + 1


@pytest.fixture(autouse=True)
def _fast() -> Iterator[None]:
    """Let all that takes time take a thousandth of it."""
    names = ("VERSION", "ANSWER", "AWAY", "TABLE", "MERGE")
    with mock.patch.multiple(
        key_watch, **{f"{n}_SECONDS": getattr(key_watch, f"{n}_SECONDS") / 1000 for n in names}
    ):
        yield


def run(scenario: Callable[[FakeStores], Coroutine[Any, Any, None]]) -> None:
    async def with_stores() -> None:
        await scenario(FakeStores())

    asyncio.run(with_stores())


async def watching(stores: FakeStores, ring: KeyRing) -> KeyWatch:
    watch = KeyWatch(ring, stores)
    await watch.start(30)
    return watch


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(TURNS):
        if condition():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it did not come about")


def lets_in(ring: KeyRing, key: TestKey | None) -> bool:
    try:
        ring.principal_of([(b"authorization", key.value)] if key else [])
    except Problem:
        return False
    return True


def test_at_the_start_both_stores_are_asked() -> None:
    async def scenario(stores: FakeStores) -> None:
        one, other, ring = new_key(), new_key(), KeyRing("required")
        stores.queue, stores.table = records(one), records(other, revoked(one))
        watch = await watching(stores, ring)
        assert lets_in(ring, other)
        assert not lets_in(ring, one)
        await watch.stop()

    run(scenario)


@pytest.mark.parametrize("away", ["queue_away", "table_away"])
def test_a_change_is_noticed_with_one_store(away: str) -> None:
    async def scenario(stores: FakeStores) -> None:
        key, ring = new_key(), KeyRing("required")
        stores.queue = stores.table = records(key)
        setattr(stores, away, True)
        watch = await watching(stores, ring)
        assert lets_in(ring, key)
        stores.change(revoked(key))
        stores.table = records(revoked(key))
        await until(lambda: not lets_in(ring, key))
        await watch.stop()

    run(scenario)


def test_without_a_change_the_queue_is_only_asked_for_its_version() -> None:
    async def scenario(stores: FakeStores) -> None:
        with mock.patch.multiple(key_watch, MERGE_SECONDS=3600, AWAY_SECONDS=3600):
            watch = await watching(stores, KeyRing("required"))
            await stores.asked_again()
            assert sorted(stores.loads) == ["queue", "table"]
            await watch.stop()

    run(scenario)


def test_a_queue_that_was_away_is_read_again_even_if_its_version_is_the_same() -> None:
    async def scenario(stores: FakeStores) -> None:
        with mock.patch.object(key_watch, "MERGE_SECONDS", 3600):
            key, ring = new_key(), KeyRing("required")
            stores.table_away = True
            watch = await watching(stores, ring)
            stores.queue_away = True
            await stores.asked_again()
            stores.queue, stores.queue_away = records(key), False
            await until(lambda: lets_in(ring, key))
            await watch.stop()

    run(scenario)


def test_a_queue_that_hangs_does_not_keep_postgresql_from_being_read() -> None:
    async def scenario(stores: FakeStores) -> None:
        key, ring = new_key(), KeyRing("required")
        stores.queue = stores.table = records(key)
        watch = await watching(stores, ring)
        stores.hangs.clear()
        stores.table = records(revoked(key))
        await until(lambda: not lets_in(ring, key))
        stores.hangs.set()
        await watch.stop()

    run(scenario)


def test_an_open_service_asks_postgresql_until_it_has_answered() -> None:
    async def scenario(stores: FakeStores) -> None:
        with mock.patch.object(key_watch, "MERGE_SECONDS", 3600):
            ring = KeyRing("until_first_key")
            stores.table, stores.table_away = records(new_key()), True
            watch = await watching(stores, ring)
            assert lets_in(ring, None)  # the queue says that there is no key
            stores.table_away = False
            await until(lambda: not lets_in(ring, None))
            await watch.stop()

    run(scenario)


def test_uses_are_recorded_and_those_of_an_outage_later() -> None:
    async def scenario(stores: FakeStores) -> None:
        key, other, ring = new_key(), new_key(), KeyRing("required")
        stores.queue = records(key, other)
        watch = await watching(stores, ring)
        assert lets_in(ring, key)
        await until(lambda: key.key.id in stores.uses)
        stores.queue_away = True
        assert lets_in(ring, other)
        await stores.asked_again(100)
        assert other.key.id not in stores.uses
        stores.queue_away = False
        await until(lambda: other.key.id in stores.uses)
        await watch.stop()

    run(scenario)


def test_the_last_uses_are_recorded_at_the_end() -> None:
    async def scenario(stores: FakeStores) -> None:
        with mock.patch.object(key_watch, "MERGE_SECONDS", 3600):
            key, ring = new_key(), KeyRing("required")
            stores.queue = records(key)
            watch = await watching(stores, ring)
            assert lets_in(ring, key)
            await watch.stop()
            assert stores.uses.keys() == {key.key.id}

    run(scenario)


def test_stopping_does_not_depend_on_the_stores() -> None:
    async def scenario(stores: FakeStores) -> None:
        key, ring = new_key(), KeyRing("required")
        stores.queue = records(key)
        watch = await watching(stores, ring)
        assert lets_in(ring, key)
        stores.queue_away = stores.table_away = True
        await watch.stop()

    run(scenario)
