"""Asking control which pages may be served: what is asked meanwhile goes in the next call."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from storage.errors import StorageError

log = logging.getLogger(__name__)

Ask = Callable[[Sequence[str], Sequence[Sequence[str]]], Awaitable[list[bytes | None]]]


@dataclass(slots=True)
class _Asked:
    tags: Sequence[str]
    askers: list[asyncio.Future[bytes | None]] = field(default_factory=list)

    def settle(self, outcome: bytes | Exception | None) -> None:
        """Tell all who are still there."""
        for future in self.askers:
            if future.done():  # its client went away
                continue
            if isinstance(outcome, Exception):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)


class PageValidator:
    """Collects the questions of one event loop into calls of `ask(digests, tags of each)`.

    One call is under way at a time, so each begins after whoever shares it has asked.
    """

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._asked: dict[str, _Asked] = {}
        self._task: asyncio.Task[None] | None = None

    def submit(self, digest: str, tags: Sequence[str]) -> asyncio.Future[bytes | None]:
        """The tag of the page that may be served now; it fails with what `ask` raises."""
        future: asyncio.Future[bytes | None] = self._running_loop.create_future()
        asked = self._asked.get(digest)
        if asked is None:
            asked = self._asked[digest] = _Asked(tags)
        asked.askers.append(future)
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        return future

    @cached_property
    def _running_loop(self) -> asyncio.AbstractEventLoop:
        """Kept, because asking for it takes a system call."""
        return asyncio.get_running_loop()

    async def _run(self) -> None:
        group: dict[str, _Asked] = {}
        try:
            while self._asked:
                group, self._asked = self._asked, {}
                await self._answer(group)
        finally:
            for asked in [*group.values(), *self._asked.values()]:
                for future in asked.askers:
                    future.cancel()  # only where the loop is shut down is one not settled yet
            self._asked, self._task = {}, None

    async def _answer(self, group: dict[str, _Asked]) -> None:
        """Whatever fails in it fails this group, never the next."""
        try:
            etags = await self._ask(list(group), [asked.tags for asked in group.values()])
        except Exception as error:
            if not isinstance(error, StorageError):
                log.exception("asking about %d pages failed", len(group))
            for asked in group.values():
                asked.settle(error)
        else:
            for asked, etag in zip(group.values(), etags, strict=True):
                asked.settle(etag)
