"""Run the service's protocol without network and servers, over a controlled queue."""

import asyncio
import http.client
import io
import re
from collections.abc import Callable, Coroutine
from types import SimpleNamespace
from typing import Any, NamedTuple, cast

from starlette.types import Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.server import ServerState

from api.app import create_app
from api.auth.key_ring import KeyRing
from api.auth.limits import KeyLimits
from api.http.hosts import Hosts
from api.ingest.group_commit import GroupCommit
from api.ingest.request_limits import RequestLimits
from api.ingest.service import Ingest
from api.query.lag import Lag
from api.server.fast_path_protocol import FastPathProtocol, FastPaths
from api.server.page_fast_path import PageFastPath
from api.server.post_fast_path import PostFastPath
from api.server.process_memory import ProcessMemory
from api.settings import ApiSettings
from storage.cache.page_cache import LocalPage
from storage.model.cached_page import CachedPage
from storage.queue.producer import Appended, BacklogLimits, QueuePosition
from storage.settings import StorageSettings
from tests.support.wire import Wire

EVENT_BYTES = 2048
RETRY_SECONDS = 7
TURNS = 10_000  # turns of the loop after which nothing more arrives
DATE = b"Tue, 24 Nov 2026 09:00:00 GMT"

_SETTINGS = ApiSettings(_env_file=None, event_bytes=EVENT_BYTES)
_APP = create_app(StorageSettings(_env_file=None), _SETTINGS)
_CONFIG = Config(_APP, log_level="critical", access_log=False)
_CONFIG.load()


class Answer(NamedTuple):
    """One answer; values that differ between requests, and the order of headers, are masked."""

    status: int
    headers: dict[str, str]
    body: str


class Pages:
    """History as the fast path sees it: `page` is local; `current` is what control says of it."""

    def __init__(self) -> None:
        self.page: CachedPage | None = None
        self.current: bytes | Exception | None = None

    def local(self, name: str, proof: list[str]) -> LocalPage | None:
        if self.page is None:
            return None
        answer: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
        if isinstance(self.current, Exception):
            answer.set_exception(self.current)
        else:
            answer.set_result(self.current)
        return LocalPage(self.page, answer)


class Wired:
    """One connection.

    `requests` counts what reached FastAPI. `appended` is what the queue got. `closed`: whether the
    service had closed the connection when the client left.
    """

    def __init__(
        self,
        with_fast_path: bool = True,
        keep_alive: float = 75,
        head_seconds: float = 30,
        keys: KeyRing | None = None,
        control: object = None,
    ) -> None:
        """`control`: what `RateLimits` does, for keys with limits."""
        self.wire = Wire()
        self.requests = 0
        self.closed = False
        self.appended: list[bytes] = []
        self.error: BaseException | None = None
        self.pages = Pages()
        self.writes_at_once = True
        self.goes_on = asyncio.Event()  # what the queue waits for by default
        limits = RequestLimits.of(_SETTINGS)
        watch = SimpleNamespace(retry_seconds=lambda: RETRY_SECONDS)
        self.commit = GroupCommit(self._append, 1, 100, lambda *drain: None)
        rates = KeyLimits(cast(Any, control), 0.05)
        ingest = Ingest(*cast(Any, (self.commit, None, watch, BacklogLimits(), rates)))
        self.memory = ProcessMemory.of(_SETTINGS)
        self.keys = keys or KeyRing("open")
        self.lag = lag = Lag()
        _APP.fastapi.state.services = SimpleNamespace(
            limits=limits, ingest=ingest, memory_budget=self.memory.bodies, keys=self.keys, lag=lag
        )
        self.state = ServerState()
        self.state.default_headers = [(b"date", DATE)]
        _CONFIG.configure_logging()  # pytest adds a handler to its access log
        self.hosts = Hosts()
        fast_paths = FastPaths(
            PostFastPath(ingest, limits.event.bytes, self.hosts, self.keys.memo),
            PageFastPath(cast(Any, self.pages), lag, self.hosts, self.keys.memo),
        )
        self.protocol = FastPathProtocol(
            _CONFIG,
            self.state,
            {},
            fast_paths=fast_paths if with_fast_path else None,
            head_seconds=head_seconds,
            memory=self.memory,
        )
        self.protocol.app = self._app
        self.protocol.timeout_keep_alive = cast(Any, keep_alive)
        self.protocol.connection_made(cast(Any, self.wire))

    async def send(self, *pieces: bytes) -> None:
        """Send these packets one after the other; then run until all possible work is done."""
        for piece in pieces:
            self.protocol.data_received(piece)
        for _ in range(TURNS):
            if not self.is_busy:
                return
            await asyncio.sleep(0)
        raise AssertionError(f"not answered: {self.sent!r}")

    @property
    def is_busy(self) -> bool:
        """Return whether work is running that waits neither for the queue nor for a reader."""
        waits = self.protocol.flow.write_paused or not self.writes_at_once or self.wire.closed
        return not waits and not (self.protocol.cycle is None or self.is_answered)

    @property
    def is_answered(self) -> bool:
        """Return whether every request has its answer."""
        return self.protocol.cycle.response_complete and not self.state.tasks

    async def hang_up(self) -> None:
        """Close the client's side."""
        self.closed = self.wire.closed
        self.wire.closed = True
        self.protocol.connection_lost(ConnectionResetError())
        await steps()

    @property
    def sent(self) -> bytes:
        """Return all that was written."""
        return b"".join(self.wire.writes)

    @property
    def answers(self) -> list[Answer]:
        """Return the answers written so far."""
        stream = _Stream(self.sent)
        found = []
        while stream.tell() < len(self.sent):
            response = http.client.HTTPResponse(cast(Any, stream), method="POST")
            response.begin()
            headers = {name.lower(): _masked(value) for name, value in response.getheaders()}
            found.append(Answer(response.status, headers, _masked(response.read().decode())))
        return found

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.requests += 1
        await _APP(scope, receive, send)

    async def _append(
        self, shard: int, oldest_ms: int, items: list[bytes], even_paused: bool = False
    ) -> Appended:
        self.appended += items[1::2]
        if not self.writes_at_once:
            await self.goes_on.wait()
        await asyncio.sleep(0)
        if self.error:
            raise self.error
        return Appended(0, QueuePosition(shard, 1), 0, 0)


class _Stream(io.BytesIO):
    def makefile(self, mode: str) -> "_Stream":
        return self

    def close(self) -> None:
        """Do nothing: the next answer is read from the same stream."""


_IDS = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TIMES = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
_REQUESTS = re.compile(r"\b[0-9a-f]{32}\b")


def _masked(text: str) -> Any:
    return _REQUESTS.sub("<request>", _TIMES.sub("<time>", _IDS.sub("<id>", text)))


async def steps(count: int = 50) -> None:
    """Run that many turns of the loop."""
    for _ in range(count):
        await asyncio.sleep(0)


def run(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a coroutine; the loop must report no error."""
    complaints: list[dict[str, Any]] = []

    async def watched() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, what: complaints.append(what))
        await scenario()
        await steps()

    asyncio.run(watched())
    assert complaints == []
