"""A connection whose process knows the heads of reads, and has a page in memory."""

import asyncio
from collections.abc import Sequence
from typing import Any, cast

from api.auth.key_ring import KeyRing
from storage.access.api_key import Scope
from storage.cache.page_cache import LocalPage
from storage.model.cached_page import CachedPage
from tests.support.keys import new_key
from tests.support.wired import Wired, steps

PAGE = CachedPage.of(b'{"events":[],"next_cursor":null}\n')
OTHER = CachedPage.of(b'{"events":[{}],"next_cursor":null}\n')
KEY = new_key(Scope.READ)


class NoParser:
    """Fails the test that parses anything."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the parser was asked: {name}")


def get(target: bytes = b"/events?component=a", *headers: bytes) -> bytes:
    lines = [b"GET %b HTTP/1.1" % target, b"Host: x", *headers]
    return b"".join(line + b"\r\n" for line in lines) + b"\r\n"


def wired(keys: KeyRing | None = None) -> Wired:
    """Return a connection of a process that has a page in memory, and knows the Host."""
    found = Wired(keys=keys)
    found.hosts.admits(b"x")
    found.pages.page, found.pages.current = PAGE, PAGE.etag
    return found


def known_reads(connection: Wired) -> dict[bytes, Any]:
    pages = connection.protocol._pages
    assert pages is not None
    return pages.heads.found


def no_parser(connection: Wired) -> None:
    connection.protocol.parser = cast(Any, NoParser())


def statuses(connection: Wired) -> list[int]:
    return [answer.status for answer in connection.answers]


def answering(connection: Wired) -> None:
    """Let an application answer in place of FastAPI, which has no history here."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        connection.requests += 1
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    connection.protocol.app = app


class Validation:
    """Control's answers to the reads of a connection, which come when the test says."""

    def __init__(self, connection: Wired) -> None:
        self.asked: list[asyncio.Future[bytes | None]] = []
        self.digests: list[str] = []
        connection.pages.local = self._local  # type: ignore[assignment,method-assign]
        self._connection = connection

    def _local(self, name: str, tags: Sequence[str]) -> LocalPage:
        self.digests.append(name)
        self.asked.append(asyncio.get_running_loop().create_future())
        return LocalPage(PAGE, self.asked[-1])

    async def answers(self, etag: bytes | None) -> None:
        self.asked.pop(0).set_result(etag)
        await steps()
