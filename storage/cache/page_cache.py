"""The query cache: pages on control that are served only while they are provably unchanged.

A page is kept with the generations of its tags, read before its query ran. Drains make a
tag pending before a commit that may change its pages and raise its generation after it, so a page
whose generations stand and whose tags are not pending is what PostgreSQL would answer now.
A page whose window lies before the watermark is closed: no event should still fall into it, and it
stands for as long as none does. Whatever the clocks do, one that does is noticed: each watermark
handed out is recorded before the query it is for, and held back by the writers then pending.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import NamedTuple

import redis.asyncio
from redis.exceptions import OutOfMemoryError

from storage.cache.local_pages import LocalPageCache
from storage.cache.validator import PageValidator
from storage.errors import ControlUnavailable, control_errors
from storage.model.cached_page import CachedPage
from storage.redis import keys
from storage.redis.script_runner import run

# After control lost its data, a commit on its way then may have lost its pending tags: until any
# such commit is over no page is served, and what is read meanwhile never is.
GRACE_MS = 10_000
LOCK_MS = 12_000  # longer than PostgreSQL lets a query run; ends by itself if its process dies
ANSWER_SECONDS = 0.5  # a control that hangs must not hold up what PostgreSQL can answer
MAX_BYTES = 4 * 1024 * 1024  # of a page worth keeping


@dataclass(frozen=True, slots=True)
class Miss:
    """No page may be served: run the query and keep the page under these generations.

    A page whose window ends at `watermark_ms` (ms since the epoch) or before: under `closed`.
    """

    generations: bytes
    closed: bytes
    watermark_ms: int


class Wait:
    """No page may be served, and another process runs its query right now."""


class LocalPage(NamedTuple):
    """A page whose body is in this process. It may be served if `current` becomes its tag.

    `current` fails with ControlUnavailable.
    """

    page: CachedPage
    current: asyncio.Future[bytes | None]


class PageCache:
    """Look pages up and keep them. Safe for many tasks of one event loop."""

    def __init__(self, client: redis.asyncio.Redis, ttl_ms: int, grace_ms: int = GRACE_MS) -> None:
        self._client = client
        self._ttl_ms = ttl_ms
        self._grace_us = grace_ms * 1000
        self._token = secrets.token_hex(8)
        self._local = LocalPageCache()
        self._validator = PageValidator(self._ask)

    def local(self, digest: str, tags: Sequence[str]) -> LocalPage | None:
        """Ask control whether the page may be served, if its body is in this process."""
        page = self._local.get(digest)
        return None if page is None else LocalPage(page, self._validator.submit(digest, tags))

    async def lookup(self, digest: str, tags: list[str]) -> CachedPage | Miss:
        """The page if it may be served at this moment. Raises ControlUnavailable."""
        found = await self._look(digest, tags, 0, 0)
        assert not isinstance(found, Wait)  # nobody asked for the lock
        return found

    async def lookup_or_lead(
        self, digest: str, tags: list[str], watermark_ms: int
    ) -> CachedPage | Miss | Wait:
        """The same; a Miss also means: run the query here, then call `keep` or `leave`.

        `watermark_ms`: everything created before it (ms since the epoch) is stored; 0 when that is
        not known. Raises ControlUnavailable.
        """
        return await self._look(digest, tags, LOCK_MS, watermark_ms)

    async def keep(self, digest: str, generations: bytes, page: CachedPage) -> None:
        """Keep a page read under these generations and release its lock.

        Raises ControlUnavailable; then the page is merely not kept.
        """
        if len(page.body) > MAX_BYTES:
            await self.leave(digest)
            return
        async with _in_time():
            try:
                await run(
                    self._client,
                    "cache/store",
                    [keys.page(digest), keys.page_lock(digest)],
                    [generations, page.body, page.etag, self._ttl_ms, self._token],
                )
            except OutOfMemoryError:  # the lock must be released all the same
                await self.leave(digest)
            else:
                self._local.put(digest, page)

    async def leave(self, digest: str) -> None:
        """The query failed or its page is not kept: let others run it.

        Raises ControlUnavailable.
        """
        async with _in_time():
            await run(self._client, "cache/unlock", [keys.page_lock(digest)], [self._token])

    async def ping(self) -> None:
        """Raises ControlUnavailable when control can't be reached."""
        async with _in_time():
            await self._client.ping()

    async def close(self) -> None:
        """Give the connections back."""
        await self._client.aclose()

    async def _ask(
        self, digests: Sequence[str], tags: Sequence[Sequence[str]]
    ) -> list[bytes | None]:
        named: list[int | str] = [self._grace_us]
        for of_page in tags:
            named += (len(of_page), *of_page)
        try:
            async with _in_time():
                etags: list[bytes | None] = await run(
                    self._client,
                    "cache/validate",
                    [keys.GENERATIONS, keys.PENDING_WRITERS, *map(keys.page, digests)],
                    named,
                )
        except ControlUnavailable:
            self._local.clear()  # the next ones are looked up, where each waits but once
            raise
        return etags

    async def _look(
        self, digest: str, tags: list[str], lock_ms: int, watermark_ms: int
    ) -> CachedPage | Miss | Wait:
        async with _in_time():
            answer = await run(
                self._client,
                "cache/lookup",
                [
                    keys.GENERATIONS,
                    keys.PENDING_WRITERS,
                    keys.page(digest),
                    keys.page_lock(digest),
                ],
                [self._grace_us, lock_ms, self._token, watermark_ms, *tags],
            )
        match answer:
            case [b"hit", body, etag]:
                page = CachedPage(body, etag)
                self._local.put(digest, page)
                return page
            case [b"miss", generations, closed, watermark_ms]:
                return Miss(generations, closed, watermark_ms)
        return Wait()


@asynccontextmanager
async def _in_time() -> AsyncIterator[None]:
    """Turn what redis-py raises, and waiting for too long, into ControlUnavailable."""
    with control_errors():
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                yield
        except TimeoutError as error:
            raise ControlUnavailable("control does not answer in time") from error
