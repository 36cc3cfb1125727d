"""Read the batch of one POST: each item becomes an event, or a problem that says what is wrong."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from functools import partial
from itertools import islice

from api.formats.event_reader import EventReader
from api.formats.native_fast import EventIn
from api.formats.offload import run_if_small
from api.http.memory_budget import Reservation
from api.http.problems import Problem, closing
from api.ingest.rejections import reason_of
from api.ingest.splitters import Item, Items, JsonArraySplitter, NdjsonSplitter

# Items read before other requests get a turn, and the most bytes that are parsed in one go.
TURN = 100
TURN_BYTES = 256 * 1024
MAX_ERRORS = 10  # reported for one item
MAX_ERROR_BYTES = 1024 * 1024  # for one batch: bounds the response
_VERDICT_BYTES = 400  # memory of a rejected item besides its problem


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """The most items of a batch, and the most bytes of each item."""

    items: int
    item_bytes: int

    @property
    def lines(self) -> int:
        """The most lines of an NDJSON body, blank lines included."""
        return 10 * self.items

    @property
    def brackets(self) -> int:
        """The most arrays and objects of a JSON body, nested ones included."""
        return 100 * self.items


@dataclass(slots=True)
class ParsedBatch:
    """The valid items in the order sent, and the problem of each other item, by its index."""

    count: int = 0
    good: list[EventIn] = field(default_factory=list)
    problems: dict[int, bytes] = field(default_factory=dict)
    by_reason: Counter[str] = field(default_factory=Counter)  # the problems, named as for metrics
    _error_bytes: int = 0

    def add(self, *events: EventIn) -> None:
        """Add the next items, which are valid."""
        self.good += events
        self.count += len(events)

    def reject(self, item: Item, problem: Problem) -> int:
        """Add the problem of the next item, which is invalid, and return the memory it takes.

        Leave its error details out once the batch has MAX_ERROR_BYTES of them.
        """
        where = {"index": self.count} | ({} if item.line is None else {"line": item.line})
        errors = problem.faults[:MAX_ERRORS] if self._error_bytes < MAX_ERROR_BYTES else ()
        document = Problem(problem.status, problem.detail, errors, more=where).body()
        self._error_bytes += len(document) if errors else 0
        self.by_reason[reason_of(problem)] += 1
        self.problems[self.count] = document
        self.count += 1
        return len(document) + _VERDICT_BYTES

    def refuse(self, index: int, problem: Problem) -> None:
        """Add the problem of an item that is valid, and is not accepted all the same."""
        where = {"index": index}
        self.by_reason[reason_of(problem)] += 1
        self.problems[index] = Problem(problem.status, problem.detail, more=where).body()


class BatchReader:
    """Reads one batch in pieces. Only valid events and problems stay in memory."""

    def __init__(
        self,
        splitter: NdjsonSplitter | JsonArraySplitter,
        reader: EventReader,
        limits: BatchLimits,
        reservation: Reservation,
    ) -> None:
        self._splitter = splitter
        self._reader = reader
        self._limits = limits
        self._reservation = reservation
        self._batch = ParsedBatch()

    async def read(self, pieces: AsyncIterator[bytes]) -> ParsedBatch:
        """Read the whole batch. Raises Problem if it can't be split or is too large."""
        async for piece in pieces:
            self._reservation.reserve(len(piece))
            await self._read_items(self._splitter.feed(piece))
            await asyncio.sleep(0)  # many pieces may have arrived already
        await self._read_items(await run_if_small(self._splitter.held, self._last_items))
        if not self._batch.count:
            raise Problem(422, "The batch has no events.")
        return self._batch

    def _last_items(self) -> Items:
        """Return the items left at the end; one more than allowed shows that there are too many."""
        return Items.of(islice(self._splitter.finish(), self._limits.items + 1))

    async def _read_items(self, items: Items) -> None:
        if self._batch.count + len(items.bodies) > self._limits.items:
            raise closing(413, f"A batch can have at most {self._limits.items} events.")
        for part in items.parts(TURN):
            events = None
            if sum(map(len, part.bodies)) <= TURN_BYTES:
                events = self._reader.parse_many(part.bodies)
            if events is None:
                await self._read_each(part)
            else:
                self._batch.add(*events)
            await asyncio.sleep(0)

    async def _read_each(self, items: Iterable[Item]) -> None:
        for item in items:
            event = None if item.body is None else self._reader.parse(item.body)
            if event is None:
                await self._validate(item)
                await asyncio.sleep(0)
            else:
                self._batch.add(event)

    async def _validate(self, item: Item) -> None:
        try:
            if item.body is None:
                raise Problem(413, f"An event can have at most {self._limits.item_bytes} bytes.")
            validate = partial(self._reader.validate, item.body)
            self._batch.add(await run_if_small(len(item.body), validate))
        except Problem as problem:
            self._reservation.reserve(self._batch.reject(item, problem))
