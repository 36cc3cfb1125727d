"""Wait until events have left the queue: they are committed by then."""

import asyncio
from contextlib import suppress
from typing import NamedTuple

from storage.errors import QueueUnavailable
from storage.grouped_calls import GroupedCalls, settle
from storage.queue.producer import QueuePosition, QueueProducer

POLL_SECONDS = 0.01


class _Submission(NamedTuple):
    position: QueuePosition
    future: asyncio.Future[None]


class CommitWaiter(GroupedCalls[_Submission]):
    """Polls the queue, once for all callers that wait."""

    def __init__(self, producer: QueueProducer) -> None:
        super().__init__()
        self._producer = producer

    def wait(self, position: QueuePosition) -> asyncio.Future[None]:
        """Return a future that is done once the events have left the queue.

        The future stays pending while the queue is unreachable: bound the wait with a timeout.
        """
        future: asyncio.Future[None] = self._loop.create_future()
        self._add([_Submission(position, future)])
        if not self._tasks:
            self._start()
        return future

    def _add(self, submissions: list[_Submission]) -> None:
        self._pending += submissions
        self._weight += len(submissions)

    async def _call(self, group: list[_Submission]) -> None:
        with suppress(QueueUnavailable):
            await self._poll(group)
        await asyncio.sleep(POLL_SECONDS)
        self._add([submission for submission in group if not submission.future.done()])

    async def _poll(self, group: list[_Submission]) -> None:
        shards = sorted({submission.position.shard for submission in group})
        trimmed = dict(zip(shards, await self._producer.trimmed(shards), strict=True))
        settle([one for one in group if trimmed[one.position.shard] >= one.position.end], None)
