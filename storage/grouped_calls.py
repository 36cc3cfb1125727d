"""Group calls: one call serves all that was submitted while the call before it ran."""

import asyncio
import logging
import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from contextvars import Context
from functools import cached_property
from typing import Any, Generic, Protocol, TypeVar

from storage.errors import StorageError

log = logging.getLogger(__name__)

ONE_CALL = (1, math.inf)


class Submission(Protocol):
    """What a caller has submitted."""

    @property
    def future(self) -> asyncio.Future[Any]:
        """Gets the outcome, unless the caller cancels it."""


S = TypeVar("S", bound=Submission)


class GroupedCalls(ABC, Generic[S]):
    """Calls within one event loop, each for all that was submitted during the call before.

    To submit, a subclass appends to `_pending`, adds to `_weight`, and calls `_start` if the weight
    reaches `_thresholds[len(_tasks)]`. That is inline because it runs for every event and page.

    Guarantees:

    - A call begins after everything in its group was submitted.
    - As many calls are under way at a time as there are finite thresholds, and no more.
    - A call that fails, fails its own group and never another. An error is logged unless it is a
      StorageError.
    - A caller that cancels its future affects no other submission.
    - If a call is cancelled, or the event loop shuts down, the futures that no call will settle are
      cancelled: no caller is left waiting.
    """

    def __init__(self, thresholds: Sequence[float] = ONE_CALL) -> None:
        self._thresholds = thresholds
        self._pending: list[S] = []
        self._weight = 0  # of what is pending
        self._tasks: set[asyncio.Task[None]] = set()
        self._context = Context()  # a group belongs to no single request

    async def close(self) -> None:
        """Return once no call is under way and nothing is pending."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    @abstractmethod
    async def _call(self, group: list[S]) -> None:
        """Serve a group and settle its submissions. May raise anything."""

    def _take(self) -> list[S]:
        """Remove the next group from what is pending."""
        group, self._pending, self._weight = self._pending, [], 0
        return group

    def _abandon(self) -> None:
        """Cancel what is pending: no call will serve it."""
        _cancel(self._pending)
        self._pending, self._weight = [], 0

    @cached_property
    def _loop(self) -> asyncio.AbstractEventLoop:
        """The running loop. Kept, because asking for it takes a system call."""
        return asyncio.get_running_loop()

    def _start(self) -> None:
        self._tasks.add(self._loop.create_task(self._run(), context=self._context))

    async def _run(self) -> None:
        """Make one call after the other while enough is pending."""
        task = asyncio.current_task()
        assert task is not None
        try:
            while self._weight >= self._thresholds[len(self._tasks) - 1]:
                group = self._take()
                try:
                    await self._call(group)
                except Exception as error:  # noqa: BLE001 - its callers get it
                    self._fail(group, error)
                except asyncio.CancelledError:
                    _cancel(group)
                    raise
        finally:
            self._tasks.remove(task)
            if self._pending and not self._tasks:
                self._abandon()

    def _fail(self, group: list[S], error: Exception) -> None:
        if not isinstance(error, StorageError):
            name = type(self).__name__
            log.error("%s: a call for %d submissions failed", name, len(group), exc_info=error)
        for submission in group:
            if not submission.future.done():
                submission.future.set_exception(error)


def settle(submissions: Iterable[Submission], result: object) -> None:
    """Give the callers their result, except those that have gone away."""
    for submission in submissions:
        if not submission.future.done():
            submission.future.set_result(result)


def _cancel(submissions: Iterable[Submission]) -> None:
    for submission in submissions:
        submission.future.cancel()
