"""Long reads of the history, a few at once: they can't keep pages and probes waiting."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Never, TypeVar

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from api.http.problems import unavailable
from api.query.bounded_threads import BoundedThreads
from storage.errors import DatabaseUnavailable
from storage.postgres.engine import ANSWER_SECONDS, COUNTING_CONNECTIONS

MAX_WAITING = 16
"""Clients in line for a connection; more are refused."""

RETRY_SECONDS = 5  # by then a part of the line is answered

T = TypeVar("T")
IsUnwanted = Callable[[], bool]


class BulkReads:
    """Runs reads in threads, with a line of clients that wait for one.

    `threads`: as many as there are connections. Exports use them too.
    """

    def __init__(self) -> None:
        self.threads = BoundedThreads(COUNTING_CONNECTIONS)
        self._clients = 0

    async def run(self, read: Callable[[IsUnwanted], T], receive: Receive) -> T:
        """Return the result of `read`, which is told when nobody wants it any more.

        A client that leaves frees its place. So does one in line that has closed its sending side:
        it may have left, and if it has not, it is told to come again. Raises Problem 503 for that,
        and if the line is full; DatabaseUnavailable after ANSWER_SECONDS in all; ClientDisconnect.
        """
        if self._clients >= COUNTING_CONNECTIONS + MAX_WAITING:
            raise unavailable("Too many statistics are asked for at once.", RETRY_SECONDS)
        self._clients += 1
        is_over, has_begun = threading.Event(), threading.Event()
        try:
            return await _first_of(
                self.threads.run(partial(read, is_over.is_set), has_begun.set),
                _until_left(receive, has_begun.is_set),
            )
        finally:
            is_over.set()
            self._clients -= 1


async def _first_of(work: Awaitable[T], end: Awaitable[Never]) -> T:
    """Return the result of `work` unless `end` raises its error before, or time is up."""
    working, ending = asyncio.ensure_future(work), asyncio.ensure_future(end)
    tasks: list[asyncio.Future[Any]] = [working, ending]
    try:
        await asyncio.wait(tasks, timeout=ANSWER_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        if ending.done():
            ending.result()
        raise DatabaseUnavailable("PostgreSQL did not answer in time")
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await asyncio.gather(*tasks, return_exceptions=True)  # or asyncio would log their errors


async def _until_left(receive: Receive, has_begun: Callable[[], bool]) -> Never:
    is_read = False
    while (message := await receive())["type"] != "http.disconnect":
        if is_read and not has_begun():  # see `SingleWriteCycle.receive`
            raise unavailable("The client closed its side before its turn came.", RETRY_SECONDS)
        is_read = is_read or not message.get("more_body")
    raise ClientDisconnect
