"""Reading a batch: each item is good, or there is a problem that says what is wrong with it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import islice

import msgspec

from api.body_reader import Guest
from api.event_body import EventIn
from api.items import Array, Item, Lines
from api.problems import Problem, closing
from api.thorough import aside

TURN = 100  # good items taken before other requests get a turn
MOST_FAULTS = 10  # of an item
MOST_FAULT_BYTES = 1024 * 1024  # of a batch: the answer should not be many times as large
_VERDICT_BYTES = 400  # what a refused item holds beside its problem


@dataclass(frozen=True, slots=True)
class Reading:
    """How an item becomes an event: `quick` takes what is plainly good, and None is for the rest,
    of which `closely` says what is wrong."""

    quick: Callable[[bytes], EventIn | None]
    closely: Callable[[bytes], Awaitable[EventIn]]


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """Of one batch, and bytes of each item."""

    items: int
    item_bytes: int

    @property
    def lines(self) -> int:
        """Of NDJSON, the blank ones too."""
        return 10 * self.items

    @property
    def brackets(self) -> int:
        """Arrays and objects of JSON, those within the items too."""
        return 100 * self.items


@dataclass(slots=True)
class Batch:
    """The good items in the order they came, and for each other one, by its index, its problem."""

    fingerprint: bytes = b""  # 16 bytes that stand for its text
    count: int = 0
    good: list[EventIn] = field(default_factory=list)
    problems: dict[int, msgspec.Raw] = field(default_factory=dict)
    _fault_bytes: int = 0

    def take(self, event: EventIn) -> None:
        """The next item is good."""
        self.good.append(event)
        self.count += 1

    def refuse(self, item: Item, problem: Problem) -> int:
        """The next item is not. Its faults are told unless there were very many before.

        The bytes that this takes.
        """
        where = {"index": self.count} | ({} if item.line is None else {"line": item.line})
        told = problem.faults[:MOST_FAULTS] if self._fault_bytes < MOST_FAULT_BYTES else ()
        document = Problem(problem.status, problem.detail, told, more=where).body()
        self._fault_bytes += len(document) if told else 0
        self.problems[self.count] = msgspec.Raw(document)
        self.count += 1
        return len(document) + _VERDICT_BYTES


class BatchReader:
    """Reads one batch. Nothing of it is kept but what is good."""

    def __init__(
        self, cutter: Lines | Array, reading: Reading, limits: BatchLimits, guest: Guest
    ) -> None:
        self._cutter = cutter
        self._reading = reading
        self._limits = limits
        self._guest = guest
        self._batch = Batch()

    async def read(self, pieces: AsyncIterator[bytes]) -> Batch:
        """The whole batch. Raises Problem when it can't be taken apart or is too large."""
        hashed = blake2b(digest_size=16)
        async for piece in pieces:
            self._guest.take(len(piece))
            hashed.update(piece)
            await self._judge_all(self._cutter.feed(piece))
            await asyncio.sleep(0)  # many pieces may be here at once
        await self._judge_all(await aside(self._cutter.held, self._last_items))
        if not self._batch.count:
            raise Problem(422, "The batch holds no events.")
        self._batch.fingerprint = hashed.digest()
        return self._batch

    def _last_items(self) -> list[Item]:
        """No more of them than show that there are too many."""
        return list(islice(self._cutter.finish(), self._limits.items + 1))

    async def _judge_all(self, items: Iterable[Item]) -> None:
        for item in items:
            if self._batch.count == self._limits.items:
                detail = f"A batch holds {self._limits.items} events at most."
                raise closing(413, detail)
            event = None if item.body is None else self._reading.quick(item.body)
            if event is None:
                await self._look_closely(item)
            else:
                self._batch.take(event)
            if event is None or self._batch.count % TURN == 0:
                await asyncio.sleep(0)

    async def _look_closely(self, item: Item) -> None:
        try:
            if item.body is None:
                raise Problem(413, f"An event has {self._limits.item_bytes} bytes at most.")
            self._batch.take(await self._reading.closely(item.body))
        except Problem as problem:
            self._guest.take(self._batch.refuse(item, problem))
