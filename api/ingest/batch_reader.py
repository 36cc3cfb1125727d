"""Reading a batch: each item is good, or there is a problem that says what is wrong with it."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from functools import partial
from itertools import islice

from api.formats.event_reader import EventReader
from api.formats.native_fast import EventIn
from api.formats.offload import run_if_small
from api.http.memory_budget import Reservation
from api.http.problems import Problem, closing
from api.ingest.splitters import Cut, Item, JsonArraySplitter, NdjsonSplitter

# Good items taken before other requests get a turn, and their bytes if all are parsed at once.
TURN = 100
TURN_BYTES = 256 * 1024
MAX_ERRORS = 10  # of an item
MAX_ERROR_BYTES = 1024 * 1024  # of a batch: the answer should not be many times as large
_VERDICT_BYTES = 400  # what a refused item holds beside its problem


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
class ParsedBatch:
    """The good items in the order they came, and for each other one, by its index, its problem."""

    count: int = 0
    good: list[EventIn] = field(default_factory=list)
    problems: dict[int, bytes] = field(default_factory=dict)
    _fault_bytes: int = 0

    def take(self, *events: EventIn) -> None:
        """The next items are good."""
        self.good += events
        self.count += len(events)

    def refuse(self, item: Item, problem: Problem) -> int:
        """The next item is not. Its faults are told unless there were very many before.

        The bytes that this takes.
        """
        where = {"index": self.count} | ({} if item.line is None else {"line": item.line})
        told = problem.faults[:MAX_ERRORS] if self._fault_bytes < MAX_ERROR_BYTES else ()
        document = Problem(problem.status, problem.detail, told, more=where).body()
        self._fault_bytes += len(document) if told else 0
        self.problems[self.count] = document
        self.count += 1
        return len(document) + _VERDICT_BYTES


class BatchReader:
    """Reads one batch. Nothing of it is kept but what is good."""

    def __init__(
        self,
        cutter: NdjsonSplitter | JsonArraySplitter,
        reader: EventReader,
        limits: BatchLimits,
        reservation: Reservation,
    ) -> None:
        self._cutter = cutter
        self._reader = reader
        self._limits = limits
        self._reservation = reservation
        self._batch = ParsedBatch()

    async def read(self, pieces: AsyncIterator[bytes]) -> ParsedBatch:
        """The whole batch. Raises Problem when it can't be split or is too large."""
        async for piece in pieces:
            self._reservation.reserve(len(piece))
            await self._judge_all(self._cutter.feed(piece))
            await asyncio.sleep(0)  # many pieces may be here at once
        await self._judge_all(await run_if_small(self._cutter.held, self._last_items))
        if not self._batch.count:
            raise Problem(422, "The batch holds no events.")
        return self._batch

    def _last_items(self) -> Cut:
        """No more of them than show that there are too many."""
        return Cut.of(islice(self._cutter.finish(), self._limits.items + 1))

    async def _judge_all(self, cut: Cut) -> None:
        if self._batch.count + len(cut.bodies) > self._limits.items:
            raise closing(413, f"A batch holds {self._limits.items} events at most.")
        for part in cut.parts(TURN):
            events = None
            if sum(map(len, part.bodies)) <= TURN_BYTES:
                events = self._reader.parse_many(part.bodies)
            if events is None:
                await self._judge_each(part)
            else:
                self._batch.take(*events)
            await asyncio.sleep(0)

    async def _judge_each(self, items: Iterable[Item]) -> None:
        for item in items:
            event = None if item.body is None else self._reader.parse(item.body)
            if event is None:
                await self._validate(item)
                await asyncio.sleep(0)
            else:
                self._batch.take(event)

    async def _validate(self, item: Item) -> None:
        try:
            if item.body is None:
                raise Problem(413, f"An event has {self._limits.item_bytes} bytes at most.")
            validate = partial(self._reader.validate, item.body)
            self._batch.take(await run_if_small(len(item.body), validate))
        except Problem as problem:
            self._reservation.reserve(self._batch.refuse(item, problem))
