"""Answer the readers of the feed: polls and streams, with shared reads of the database."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from functools import partial
from time import monotonic, time
from typing import TypeVar

import msgspec
from starlette.types import Receive

from api.auth.principal import Principal
from api.query.bounded_threads import BoundedThreads
from api.query.feed import sse
from api.query.feed.chunk_limits import ChunkLimits
from api.query.feed.follower import Follower, Hints
from api.query.feed.gone import unless_gone
from api.query.feed.params import START, ChangesQuestion, FeedQuestion, TailQuestion
from api.query.feed.places import Places
from api.query.feed.rendering import Changes, Chunk, changes_of, chunk_of, no_changes
from api.query.feed.shared_reads import SharedReads
from api.query.feed.tail import Tail
from api.query.feed.tokens import position_of, token_of
from api.query.lag import Lag
from storage.errors import DatabaseUnavailable
from storage.feed.position import Position
from storage.feed.reader import FeedReader
from storage.metrics.instruments import feed_events, feed_readers
from storage.postgres.engine import ANSWER_SECONDS, FEED_CONNECTIONS

CHECK_SECONDS = 1.0  # after which a poll that waits looks whether its key has ended

T = TypeVar("T")


class Feed:
    """The feed of one process. It has threads and connections of its own, so no page waits.

    Every call raises DatabaseUnavailable, FeedReplaced, and what it names.
    """

    def __init__(self, reader: FeedReader, hints: Hints, lag: Lag) -> None:
        self._reader = reader
        self._lag = lag
        self._ledger_thread = BoundedThreads(1)
        self._threads = BoundedThreads(FEED_CONNECTIONS - 1)  # each has a connection
        self._follower = Follower(self._read_ledger, hints)
        self._limits = ChunkLimits()
        self._skips = asyncio.Semaphore(1)  # a skip may take long: others must go on meanwhile
        self._chunks: SharedReads[Chunk] = SharedReads()
        self._changes: SharedReads[Changes] = SharedReads()
        self._polls = Places("polls that wait", feed_readers["changes"])
        self.streams = Places("streams", feed_readers["tail"])

    async def changes(
        self, question: ChangesQuestion, principal: Principal, receive: Receive
    ) -> bytes:
        """Return the answer to a poll as JSON.

        Raises InvalidToken, Problem 503 if too many wait, QueryTooSlow, ClientDisconnect.
        """
        position = await self._position(question.after)
        if question.after is None:
            return no_changes(position)
        if not question.wait:
            found = await self._read(question, position)
        else:
            with self._polls.taken(), self._follower.following():
                found = await unless_gone(self._wait(question, position, principal), receive)
        feed_events["changes"].add(found.events)
        return found.body

    async def tail(self, question: TailQuestion, principal: Principal) -> AsyncGenerator[bytes]:
        """Return what a stream sends. Raises InvalidToken, before anything is sent."""
        position = await self._position(question.after)
        first = b""
        if question.skip and question.after is not None:
            filters = question.asked.filters
            async with self._skips:
                skip = partial(self._reader.skip, position, filters)
                missed, position = await self._in_thread(skip)
            data = msgspec.json.encode({"missed": missed})
            first = sse.named(sse.SKIPPED, data, token_of(position))
        read = partial(self._chunk, question.asked)
        return Tail(position, read, self._follower, principal, self._lag).frames(first)

    def end(self) -> None:
        """End all streams, and answer all polls: the process is about to stop."""
        self._follower.end()

    async def close(self) -> None:
        """End, and return after the reading under way."""
        await self._follower.close()

    async def _wait(
        self, question: ChangesQuestion, position: Position, principal: Principal
    ) -> Changes:
        """Return the first answer with events; in the end, or once the key has ended, an empty one.

        It is short where another read would come after the end.
        """
        end = monotonic() + question.wait
        found = await self._read(question, position)
        while not found.events and monotonic() < end and time() < principal.ends_at:
            if self._follower.is_ended:
                break
            if self._follower.is_behind(found.next):
                found = await self._read(question, found.next)
            else:
                await self._follower.wait(min(end - monotonic(), CHECK_SECONDS))
        return found

    async def _read(self, question: ChangesQuestion, position: Position) -> Changes:
        asked, limit = question.asked, question.limit

        def read() -> Changes:
            return changes_of(self._reader.read(position, asked.filters, limit))

        key = (asked.name, token_of(position), limit)
        return await self._changes.run(key, lambda: self._in_thread(read))

    async def _chunk(self, asked: FeedQuestion, position: Position) -> Chunk:
        head, limit = self._follower.latest, self._limits.get(asked.name)

        def read() -> Chunk:
            return chunk_of(self._reader.read(position, asked.filters, limit, head), position)

        key = (asked.name, token_of(position))
        chunk = await self._chunks.run(key, lambda: self._in_thread(read))
        self._limits.set(asked.name, chunk)
        return chunk

    async def _position(self, after: str | None) -> Position:
        """Return the position that is asked for. Raises InvalidToken."""
        if after is None:
            return await self._follower.now()
        if after == START:
            return await self._in_thread(self._reader.start)
        return position_of(after, await self._follower.feed_id())

    async def _read_ledger(self) -> Position:
        return await _within_limit(self._ledger_thread, self._reader.now)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await _within_limit(self._threads, work)


async def _within_limit(threads: BoundedThreads, work: Callable[[], T]) -> T:
    """Return the result of the work. Raises DatabaseUnavailable after ANSWER_SECONDS in all."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            return await threads.run(work)
    except TimeoutError:
        raise DatabaseUnavailable("PostgreSQL did not answer in time") from None
