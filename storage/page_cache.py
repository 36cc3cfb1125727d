"""The query cache: pages on control that are served only while they are provably unchanged.

A page is kept with the generations of its buckets, read before its query ran. Drains mark a
bucket before a commit that may change its pages and raise its generation after it, so a page
whose generations stand and whose buckets bear no mark is what PostgreSQL would answer now.
A page whose window lies before the horizon is sealed: no event can still fall into it, and only
the epoch is compared.
"""

import secrets
from dataclasses import dataclass

import redis.asyncio
from redis.commands.core import AsyncScript

from storage import keys
from storage.errors import control_errors
from storage.scripts import source

# After control lost its data, a commit underway then may have lost its marks: no page is served
# until any such commit is over.
GRACE_MS = 10_000
FLIGHT_MS = 12_000  # longer than PostgreSQL lets a query run; ends by itself if its process dies
MOST_BYTES = 4 * 1024 * 1024  # of a page worth keeping


@dataclass(frozen=True, slots=True)
class CachedPage:
    """A page as it is answered: its JSON and its entity tag."""

    body: bytes
    etag: bytes


@dataclass(frozen=True, slots=True)
class Miss:
    """No page may be served: run the query and keep it under these generations."""

    generations: bytes


class Wait:
    """No page may be served, and another process runs its query right now."""


class PageCache:
    """Look pages up and keep them. Safe for many tasks of one event loop."""

    def __init__(self, client: redis.asyncio.Redis, ttl_ms: int, grace_ms: int = GRACE_MS) -> None:
        self._client = client
        self._ttl_ms = ttl_ms
        self._grace_us = grace_ms * 1000
        self._token = secrets.token_hex(8)
        self._lookup: AsyncScript = client.register_script(source("cache/lookup"))
        self._keep: AsyncScript = client.register_script(source("cache/keep_page"))
        self._end_flight: AsyncScript = client.register_script(source("cache/end_flight"))

    async def lookup(self, digest: str, buckets: list[str]) -> CachedPage | Miss:
        """The page if it may be served at this moment. Raises ControlUnavailable."""
        found = await self._look(digest, buckets, 0)
        assert not isinstance(found, Wait)  # nobody asked for the flight
        return found

    async def lookup_or_lead(self, digest: str, buckets: list[str]) -> CachedPage | Miss | Wait:
        """The same; a Miss also means: run the query here, then call `keep` or `leave`.

        Raises ControlUnavailable.
        """
        return await self._look(digest, buckets, FLIGHT_MS)

    async def keep(
        self, digest: str, generations: bytes, page: CachedPage, sealed_ms: int | None
    ) -> None:
        """Keep a page read under these generations and end its flight.

        `sealed_ms`: the end of its window (ms since the epoch) when nothing can fall into it any
        more. Raises ControlUnavailable; then the page is merely not kept.
        """
        if len(page.body) > MOST_BYTES:
            await self.leave(digest)
            return
        with control_errors():
            await self._keep(
                keys=[keys.GENERATIONS, keys.page(digest), keys.flight(digest)],
                args=[
                    generations,
                    page.body,
                    page.etag,
                    self._ttl_ms,
                    self._token,
                    sealed_ms or 0,
                ],
            )

    async def leave(self, digest: str) -> None:
        """The query failed or its page is not kept: let others run it.

        Raises ControlUnavailable.
        """
        with control_errors():
            await self._end_flight(keys=[keys.flight(digest)], args=[self._token])

    async def ping(self) -> None:
        """Raises ControlUnavailable when control can't be reached."""
        with control_errors():
            await self._client.ping()

    async def close(self) -> None:
        """Give the connections back."""
        await self._client.aclose()

    async def _look(
        self, digest: str, buckets: list[str], flight_ms: int
    ) -> CachedPage | Miss | Wait:
        with control_errors():
            answer = await self._lookup(
                keys=[keys.GENERATIONS, keys.page(digest), keys.flight(digest)],
                args=[self._grace_us, flight_ms, self._token, *buckets],
            )
        match answer:
            case [b"hit", body, etag]:
                return CachedPage(body, etag)
            case [b"miss", generations]:
                return Miss(generations)
        return Wait()
