"""Run the proxies in front of queue, control and PostgreSQL, on an event loop in a thread."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import sqlalchemy as sa

from cli.urls import Urls
from storage.redis_hosts import redis_hosts
from tests.faults.chaos.proxy import Proxy

QUEUE, CONTROL, POSTGRES = "queue", "control", "postgres"
CALL_SECONDS = 10


class Network:
    """The proxies between the distant processes and the servers. Called from any thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, urls: Urls) -> None:
        self._loop, self._queue_url = loop, urls.queue_url
        self._proxies = {role: Proxy(path) for role, path in _sockets(urls).items()}

    async def open(self) -> None:
        """Listen; runs on the loop."""
        for proxy in self._proxies.values():
            await proxy.start()

    async def close(self) -> None:
        """Stop to listen; runs on the loop."""
        for proxy in self._proxies.values():
            await proxy.close()

    def change(self, roles: list[str], change: Callable[[Proxy], object]) -> None:
        """Apply a change to the proxies of these servers; returns when it is done."""

        async def on_loop() -> None:
            for role in roles:
                change(self._proxies[role])

        asyncio.run_coroutine_threadsafe(on_loop(), self._loop).result(CALL_SECONDS)

    @property
    def roles(self) -> list[str]:
        """Return the servers that are behind proxies: all but a queue of several servers."""
        return list(self._proxies)

    @property
    def urls(self) -> Urls:
        """Return the addresses of the servers behind the proxies."""
        port = {role: proxy.port for role, proxy in self._proxies.items()}
        queue = f"redis://127.0.0.1:{port[QUEUE]}/0" if QUEUE in port else self._queue_url
        return Urls(
            queue,
            f"redis://127.0.0.1:{port[CONTROL]}/0",
            f"postgresql+psycopg2://activity@127.0.0.1:{port[POSTGRES]}/activity?sslmode=disable",
        )


def _sockets(urls: Urls) -> dict[str, Path]:
    postgres: Any = sa.make_url(urls.database_url).query["host"]
    sockets = {} if redis_hosts(urls.queue_url) else {QUEUE: _socket(urls.queue_url)}
    return {
        **sockets,
        CONTROL: _socket(urls.control_url),
        POSTGRES: Path(postgres) / ".s.PGSQL.5432",
    }


def _socket(url: str) -> Path:
    return Path(unquote(urlsplit(url).path))


@contextmanager
def network(urls: Urls) -> Iterator[Network]:
    """Run the proxies for the block."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="proxies")
    found = Network(loop, urls)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(found.open(), loop).result(CALL_SECONDS)
        yield found
    finally:
        asyncio.run_coroutine_threadsafe(found.close(), loop).result(CALL_SECONDS)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(CALL_SECONDS)
        loop.close()
