"""The query cache: pages on control that are served only while they are provably unchanged.

A page is stored with the generations of its tags, read before its query ran. Before a commit that
may change a tag's pages, drains make the tag pending; after it, they raise its generation. So if a
page's generations are unchanged and its tags are not pending, PostgreSQL would return it now.

A page whose window ends before the watermark is closed: no event should still fall into it, and it
stays valid until one does. Such an event is noticed whatever the clocks do: each watermark is
recorded before the query that uses it runs, and is never later than the oldest pending batch.
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
from storage.errors import ControlUnavailable
from storage.model.cached_page import CachedPage
from storage.model.wal_position import WalPosition
from storage.redis import keys
from storage.redis.script_runner import run
from storage.server_errors import control_errors

# When control loses its data, a commit in progress may lose its pending tags. Until any such commit
# has ended, no page is served, and no page that is read meanwhile is ever served.
GRACE_MS = 10_000
LOCK_MS = 12_000  # longer than PostgreSQL lets a query run; expires if its process dies
ANSWER_SECONDS = 0.5  # a hanging control must not delay what PostgreSQL can answer
MAX_BYTES = 4 * 1024 * 1024  # larger pages are not stored


@dataclass(frozen=True, slots=True)
class Miss:
    """No page may be served: run the query, and keep the page under these generations.

    If the page's window ends at `watermark_ms` (ms since the epoch) or before, keep it under
    `closed` instead. A standby may run the query that has replayed `wal`; None: the primary must.
    """

    generations: bytes
    closed: bytes
    watermark_ms: int
    wal: WalPosition | None


class Wait:
    """No page may be served, and another process is running its query."""


class LocalPage(NamedTuple):
    """A page whose body is in this process. It may be served if `current` becomes its ETag.

    `current` fails with ControlUnavailable.
    """

    page: CachedPage
    current: asyncio.Future[bytes | None]


class PageCache:
    """Pages on control, and the bodies of some in this process. For one event loop."""

    def __init__(self, client: redis.asyncio.Redis, ttl_ms: int, grace_ms: int = GRACE_MS) -> None:
        self._client = client
        self._ttl_ms = ttl_ms
        self._grace_us = grace_ms * 1000
        self._token = secrets.token_hex(8)
        self._local = LocalPageCache()
        self._validator = PageValidator(self._validate_all)

    def local(self, digest: str, tags: Sequence[str]) -> LocalPage | None:
        """Return the page if its body is in this process, and let control validate it."""
        page = self._local.get(digest)
        return None if page is None else LocalPage(page, self._validator.submit(digest, tags))

    async def lookup(self, digest: str, tags: list[str]) -> CachedPage | Miss:
        """Return the page, or a Miss if it may not be served now. Raises ControlUnavailable."""
        found = await self._lookup_page(digest, tags, 0, 0)
        assert not isinstance(found, Wait)  # the lock was not requested
        return found

    async def lookup_or_lead(
        self, digest: str, tags: list[str], watermark_ms: int
    ) -> CachedPage | Miss | Wait:
        """Look the page up; after a Miss, this process must run the query.

        The process holds the page's lock then, and must call `keep` or `leave`. `watermark_ms`:
        everything created before it (ms since the epoch) is stored; 0 if unknown. Raises
        ControlUnavailable.
        """
        return await self._lookup_page(digest, tags, LOCK_MS, watermark_ms)

    async def keep(self, digest: str, generations: bytes, page: CachedPage) -> None:
        """Store a page that was read under these generations, and release its lock.

        Raises ControlUnavailable; then the page is not stored.
        """
        if len(page.body) > MAX_BYTES:
            await self.leave(digest)
            return
        async with _time_limit():
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
        """Release the page's lock, so that others can run its query. Raises ControlUnavailable."""
        async with _time_limit():
            await run(self._client, "cache/unlock", [keys.page_lock(digest)], [self._token])

    async def ping(self) -> None:
        """Check that control answers. Raises ControlUnavailable."""
        async with _time_limit():
            await self._client.ping()

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _validate_all(
        self, digests: Sequence[str], tags: Sequence[Sequence[str]]
    ) -> list[bytes | None]:
        args: list[int | str] = [self._grace_us]
        for page_tags in tags:
            args += (len(page_tags), *page_tags)
        try:
            async with _time_limit():
                etags: list[bytes | None] = await run(
                    self._client,
                    "cache/validate",
                    [keys.GENERATIONS, keys.PENDING_WRITERS, *map(keys.page, digests)],
                    args,
                )
        except ControlUnavailable:
            self._local.clear()  # so that each later request waits for control only once
            raise
        return etags

    async def _lookup_page(
        self, digest: str, tags: list[str], lock_ms: int, watermark_ms: int
    ) -> CachedPage | Miss | Wait:
        async with _time_limit():
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
            case [b"miss", generations, closed, watermark_ms, wal]:
                return Miss(generations, closed, watermark_ms, WalPosition.of_text(wal))
        return Wait()


@asynccontextmanager
async def _time_limit() -> AsyncIterator[None]:
    """Turn redis-py's errors, and a block past ANSWER_SECONDS, into ControlUnavailable."""
    with control_errors():
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                yield
        except TimeoutError as error:
            raise ControlUnavailable("control does not answer in time") from error
