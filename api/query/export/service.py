"""Exports: how many run at once, and how each reads its pages."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from itertools import chain, repeat
from typing import NamedTuple, TypeVar

from api.http.problems import unavailable
from api.query.bounded_threads import BoundedThreads
from api.query.export.csv_rows import COLUMNS
from api.query.export.params import ExportQuestion
from api.query.export.reads import CancellableReads
from api.query.export.writer import CsvLines, NdjsonLines, Writer
from api.query.pace import Pace
from storage.errors import QueryTooSlow, StorageError
from storage.events.export import Export, ExportPage
from storage.metrics.instruments import exported_events, exports
from storage.postgres.read_router import ReadRouter

log = logging.getLogger(__name__)

MAX_EXPORTS = 4
"""Exports of a process at the same time; more are refused."""

RETRY_SECONDS = 10
PATIENCE_SECONDS = 30.0
"""How long an export that has begun waits for PostgreSQL to answer again."""

_PAUSES = (0.25, 0.5, 1.0, 2.0)

T = TypeVar("T")


class Part(NamedTuple):
    """A part of an answer. Nothing follows one with `is_last`."""

    body: bytes
    is_last: bool


class Exports:
    """The exports of one process.

    They read through the connections for bulk reads, a page at a time. In between they hold no
    connection, however slow their clients are.
    """

    def __init__(self, router: ReadRouter, threads: BoundedThreads) -> None:
        self._router = router
        self._threads = threads
        self._pace = Pace()
        self._running = 0

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place for the block. Raises Problem 503 if none is free."""
        if self._running >= MAX_EXPORTS:
            exports["refused"].add()
            raise unavailable("Too many exports run at once.", RETRY_SECONDS)
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1

    def open(self, question: ExportQuestion, is_gzip: bool) -> "RunningExport":
        """Return an export that has not begun."""
        reads = CancellableReads(self._threads)
        export = Export(self._router, question.filters, reads.interrupt)
        return RunningExport(export, Writer(_lines(question), is_gzip), reads, self._pace)


class RunningExport:
    """One export: its next parts, with rests between them, and with patience for PostgreSQL."""

    def __init__(self, export: Export, writer: Writer, reads: CancellableReads, pace: Pace) -> None:
        self._export = export
        self._writer = writer
        self._reads = reads
        self._pace = pace
        self._worked = 0.0  # seconds, of the last page

    async def begin(self) -> Part:
        """Fix the end, and return the first part. Raises StorageError."""
        await self._reads.run(self._export.begin)
        return await self._reads.run(self._part)

    async def next(self) -> Part:
        """Return the next part; its body may be empty. Raises StorageError after some patience."""
        await self._pace.rest(self._worked)
        return await _patiently(lambda: self._reads.run(self._part))

    async def cancel(self) -> None:
        """End what runs."""
        await self._reads.cancel()

    def _part(self) -> Part:
        begun = time.perf_counter()
        page: ExportPage = self._export.next()
        body = self._writer.page(page.lines, page.is_last)
        exported_events.add(len(page.lines))
        self._worked = time.perf_counter() - begun
        return Part(body, page.is_last)


def _lines(question: ExportQuestion) -> NdjsonLines | CsvLines:
    if question.format == "ndjson":
        return NdjsonLines()
    return CsvLines(question.columns or COLUMNS, has_header=question.filters.cursor is None)


async def _patiently(read: Callable[[], Awaitable[T]]) -> T:
    """Return the result of `read`, which is repeated while PostgreSQL is away."""
    end = time.monotonic() + PATIENCE_SECONDS
    pauses = chain(_PAUSES, repeat(_PAUSES[-1]))
    while True:
        try:
            return await read()
        except QueryTooSlow:
            raise
        except StorageError as error:
            pause = next(pauses)
            if time.monotonic() + pause > end:
                raise
            log.warning("an export waits for PostgreSQL: %s", error)
            await asyncio.sleep(pause)
