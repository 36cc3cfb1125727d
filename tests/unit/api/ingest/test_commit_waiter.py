"""Waiting for commits: one poll for all who wait, whoever comes, goes or fails."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, cast

import pytest

from api.ingest import commit_waiter
from api.ingest.commit_waiter import CommitWaiter
from storage.errors import QueueUnavailable
from storage.queue.producer import QueuePosition


class Queue:
    """Shards from which as many events are trimmed as the test says."""

    def __init__(self) -> None:
        self.counts: dict[int, int] = {}
        self.polls: list[list[int]] = []
        self.poll = asyncio.Condition()
        self.error: Exception | None = None

    async def trimmed(self, shards: Sequence[int]) -> list[int]:
        async with self.poll:
            self.polls.append(list(shards))
            self.poll.notify_all()
        if self.error:
            raise self.error
        return [self.counts.get(shard, 0) for shard in shards]

    async def polled(self) -> None:
        """Until two more polls have begun: the first of them has ended."""
        begun = len(self.polls)
        async with self.poll:
            await self.poll.wait_for(lambda: len(self.polls) >= begun + 2)


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commit_waiter, "POLL_SECONDS", 0)


def run(scenario: Callable[[Queue, CommitWaiter], Coroutine[Any, Any, None]]) -> None:
    async def whole() -> None:
        queue = Queue()
        async with asyncio.timeout(30):
            await scenario(queue, CommitWaiter(cast(Any, queue)))

    asyncio.run(whole())


def test_each_caller_waits_until_its_own_events_have_left() -> None:
    async def scenario(queue: Queue, waiter: CommitWaiter) -> None:
        early, late = waiter.wait(QueuePosition(0, 5)), waiter.wait(QueuePosition(0, 6))
        other = waiter.wait(QueuePosition(3, 1))
        queue.counts[0] = 5
        await early
        await queue.polled()
        assert queue.polls[0] == [0, 3]
        assert [late.done(), other.done()] == [False, False]
        queue.counts.update({0: 6, 3: 1})
        await asyncio.gather(late, other)
        await waiter.close()

    run(scenario)


def test_whoever_comes_during_a_poll_is_served_by_a_later_one() -> None:
    async def scenario(queue: Queue, waiter: CommitWaiter) -> None:
        first = waiter.wait(QueuePosition(0, 1))
        await queue.polled()
        second = waiter.wait(QueuePosition(1, 1))
        queue.counts[1] = 1
        await second
        assert not first.done()
        queue.counts[0] = 1
        await first

    run(scenario)


def test_an_unreachable_queue_is_polled_again() -> None:
    async def scenario(queue: Queue, waiter: CommitWaiter) -> None:
        queue.error = QueueUnavailable("away")
        future = waiter.wait(QueuePosition(0, 1))
        await queue.polled()
        assert not future.done()
        queue.error, queue.counts = None, {0: 1}
        await future

    run(scenario)


def test_polling_ends_when_every_caller_has_gone_away() -> None:
    async def scenario(queue: Queue, waiter: CommitWaiter) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await waiter.wait(QueuePosition(0, 1))
        await waiter.close()

    run(scenario)


def test_a_bug_reaches_who_waits_and_not_who_comes_later() -> None:
    async def scenario(queue: Queue, waiter: CommitWaiter) -> None:
        queue.error = TypeError("a bug of ours")
        with pytest.raises(TypeError):
            await waiter.wait(QueuePosition(0, 1))
        queue.error, queue.counts = None, {0: 1}
        await waiter.wait(QueuePosition(0, 1))

    run(scenario)
