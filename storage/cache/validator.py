"""Ask control which pages may be served: one call for all validations that arrive during a call."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from storage.grouped_calls import GroupedCalls, settle

Ask = Callable[[Sequence[str], Sequence[Sequence[str]]], Awaitable[list[bytes | None]]]


class _Submission(NamedTuple):
    digest: str
    tags: Sequence[str]
    future: asyncio.Future[bytes | None]


class PageValidator(GroupedCalls[_Submission]):
    """Groups validations into calls of `ask(digests, tags of each)`, one call at a time."""

    def __init__(self, ask: Ask) -> None:
        super().__init__()
        self._ask = ask

    def submit(self, digest: str, tags: Sequence[str]) -> asyncio.Future[bytes | None]:
        """Return a future of the ETag of the page that may be served now; None if no page may.

        The future fails with what `ask` raises.
        """
        future: asyncio.Future[bytes | None] = self._loop.create_future()
        self._pending.append(_Submission(digest, tags, future))
        self._weight += 1
        if not self._tasks:
            self._start()
        return future

    async def _call(self, group: list[_Submission]) -> None:
        by_digest: dict[str, list[_Submission]] = defaultdict(list)
        tags: dict[str, Sequence[str]] = {}
        for submission in group:
            by_digest[submission.digest].append(submission)
            tags[submission.digest] = submission.tags
        etags = await self._ask(list(tags), list(tags.values()))
        for submissions, etag in zip(by_digest.values(), etags, strict=True):
            settle(submissions, etag)
