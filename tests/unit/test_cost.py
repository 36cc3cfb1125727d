"""Count what the hot paths cost, without a clock: Python calls, writes and server calls.

The counts are the same in each run, and hardly differ between versions of Python. A change that
raises a count by more than the margin must be worth it. The failure lists what was called; write
the new counts here, also when a change has lowered them.
"""

import asyncio
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from types import FrameType, SimpleNamespace
from typing import Any, cast

import uvloop
from starlette.types import Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.server import ServerState

from api.auth.limits import KeyLimits
from api.auth.principal import Principal
from api.http.hosts import Hosts
from api.http.memory_budget import MemoryBudget
from api.ingest.group_commit import GroupCommit
from api.ingest.service import Ingest
from api.query.lag import Lag
from api.server.fast_path_protocol import FastPathProtocol, FastPaths
from api.server.page_fast_path import PageFastPath
from api.server.post_fast_path import PostFastPath
from api.server.process_memory import ProcessMemory
from api.server.unread_answers import UnreadAnswers
from storage.access.rate_limits import Demand, Grant, RateLimit
from storage.cache.local_pages import LocalPageCache
from storage.cache.page_cache import LocalPage
from storage.cache.validator import PageValidator
from storage.model.cached_page import CachedPage
from storage.model.event import encode_event
from storage.queue.lease import ShardLease
from storage.queue.producer import Appended, QueuePosition
from tests.support.keys import TestKey, new_key, ring_with
from tests.support.queued import make_event
from tests.support.wire import Wire
from worker.batch_size import BatchSize
from worker.prefetch import Prefetcher

POST_CALLS = 30.0  # with a head that came before
GET_CALLS = 24.4  # with a head that came before
LIMITS_CALLS = 3  # for the limits of a key to components and environments
UNLIMITED_CALLS = 1  # to see that a key has no rate limit
RATE_CALLS = 3  # for a rate limit and the headers that tell of it
STORED_CALLS = 2.2
MARGIN = 1.05

EVENT = (
    b'{"component":"orders","environment":"production","message":"order 17 shipped",'
    b'"email":"jo@example.com","data":{"order":17,"total":12.5,"lines":[1,2,3]}}'
)
POST = (
    b"POST /events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n%b" % (len(EVENT), EVENT)
)
GET = b"GET /events?component=orders&limit=100 HTTP/1.1\r\nHost: x\r\n\r\n"
KEY = new_key(components=("orders",), environments=("production",))
FAST_KEY = new_key(events_per_second=1_000_000)
EVENTS = 128  # in a batch
SIMULTANEOUS = 16  # connections that send at the same time
ROUNDS = 10
TURNS = 20  # turns of the loop after which each request has its answer
COUNTED = ("api.", "storage.", "uvicorn.", "worker.")


async def unwanted(scope: Scope, receive: Receive, send: Send) -> None:
    raise AssertionError("the fast paths answer this")


class Servers:
    """A queue and a control that answer at once; `calls` counts the calls."""

    def __init__(self) -> None:
        self.calls = 0
        self.held = LocalPageCache()
        self.validator = PageValidator(self.etags)
        commit = GroupCommit(self.append, 4, 10_000, lambda *drain: None)
        self.ingest = Ingest(
            commit, *cast(Any, (None, None, None, KeyLimits(cast(Any, self), 0.05)))
        )

    async def append(
        self, shard: int, oldest_ms: int, items: list[bytes], even_paused: bool = False
    ) -> Appended:
        self.calls += 1
        await asyncio.sleep(0)
        return Appended(0, QueuePosition(shard, 1), 0, 0)

    async def grant(self, key_id: str, limit: RateLimit, demand: Demand) -> Grant:
        return Grant(1_000 * demand.want, 10**12, 0, 1.0, 0)

    async def etags(self, digests: Any, tags: Any) -> list[bytes | None]:
        self.calls += 1
        await asyncio.sleep(0)
        return [b'"tag"'] * len(digests)

    def local(self, digest: str, tags: Any) -> LocalPage | None:
        if self.held.get(digest) is None:
            self.held.put(digest, CachedPage(b"x" * 60_000, b'"tag"'))
        page = self.held.get(digest)
        assert page is not None
        return LocalPage(page, self.validator.submit(digest, tags))

    def fast_paths(self) -> FastPaths:
        hosts = Hosts()
        hosts.admits(b"x")
        keys = ring_with(KEY, FAST_KEY)
        for key in (KEY, FAST_KEY):
            keys.principal_of([(b"authorization", key.value)])
        memo = {None: Principal(), **keys.memo}
        return FastPaths(
            PostFastPath(self.ingest, 262_144, hosts, memo),
            PageFastPath(cast(Any, self), Lag(), hosts, memo),
        )


class Calls:
    """A counter of Python calls, by `sys.setprofile`."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def __call__(self, frame: FrameType, event: str, argument: object) -> None:
        if event == "call" and frame.f_globals["__name__"].startswith(COUNTED):
            self.counts[frame.f_code.co_qualname] += 1

    async def during(self, work: Callable[[], Awaitable[None]]) -> None:
        with self:
            await work()

    def __enter__(self) -> None:
        sys.setprofile(self)

    def __exit__(self, *error: object) -> None:
        sys.setprofile(None)

    def assert_a_share(self, of: int, limit: float) -> None:
        """Assert that there are at most so many calls per unit."""
        share = sum(self.counts.values()) / of
        listed = "\n".join(f"{n / of:6.2f} {name}" for name, n in self.counts.most_common(60))
        print(f"{share:.1f} calls\n{listed}")
        assert share <= limit * MARGIN, f"{share:.1f} calls each, not {limit}\n{listed}"


def measured(request: bytes) -> tuple[Calls, int, int]:
    """Count Python calls, writes and server calls of ROUNDS * SIMULTANEOUS requests."""
    calls, servers = Calls(), Servers()
    wires = [Wire() for _ in range(SIMULTANEOUS)]

    async def scenario() -> None:
        config = Config(cast(Any, unwanted), log_level="critical", access_log=False)
        config.proxy_headers = False
        config.load()
        state = ServerState()
        memory = ProcessMemory(
            MemoryBudget(1 << 20), MemoryBudget(1 << 20), UnreadAnswers(1 << 20, 30), 100
        )
        paths = servers.fast_paths()
        connections = [
            FastPathProtocol(config, state, {}, fast_paths=paths, head_seconds=30, memory=memory)
            for _ in wires
        ]
        for connection, wire in zip(connections, wires, strict=True):
            connection.connection_made(cast(Any, wire))

        async def round_() -> None:
            for connection in connections:
                connection.data_received(request)
            for _ in range(TURNS):
                await asyncio.sleep(0)

        await round_()  # setup is no cost of a request
        servers.calls = 0
        for wire in wires:
            wire.writes.clear()
        for _ in range(ROUNDS):
            await calls.during(round_)
        for connection in connections:
            connection.connection_lost(None)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # as in the service
        runner.run(scenario())
    return calls, sum(len(wire.writes) for wire in wires), servers.calls


def with_key(request: bytes, key: TestKey = KEY) -> bytes:
    """Return the request with the header of a key that the memo knows."""
    return request.replace(b"Host: x\r\n", b"Host: x\r\nAuthorization: %b\r\n" % key.value)


def assert_cost(request: bytes, limit: float) -> None:
    calls, writes, server_calls = measured(request)
    requests = ROUNDS * SIMULTANEOUS
    assert writes == requests
    assert server_calls == ROUNDS  # one for all requests that came together
    calls.assert_a_share(requests, limit)


def test_a_good_event_takes_one_write_a_share_of_one_append_and_few_calls() -> None:
    assert_cost(POST, POST_CALLS)


def test_an_event_of_a_limited_key_takes_few_calls_more() -> None:
    assert_cost(with_key(POST), POST_CALLS + LIMITS_CALLS + UNLIMITED_CALLS)


def test_an_event_of_a_key_with_a_rate_takes_few_calls_more() -> None:
    assert_cost(with_key(POST, FAST_KEY), POST_CALLS + RATE_CALLS)


def test_an_event_takes_few_calls_on_its_way_into_the_database() -> None:
    batch = [make_event(str(n), email=f"{n}@example.com") for n in range(EVENTS)]
    entries = [(b"%d-0" % n, {b"e": encode_event(event)}) for n, event in enumerate(batch)]
    queue = cast(Any, SimpleNamespace(xrange=lambda *_, **__: entries))
    calls = Calls()
    with Prefetcher(ShardLease(queue, 0, 1), BatchSize(EVENTS, 1), 1 << 20, bool) as ahead, calls:
        ready = ahead.next()
    assert ready
    assert len(ready.batch.events) == EVENTS
    calls.assert_a_share(EVENTS, STORED_CALLS)


def test_a_local_page_takes_one_write_a_share_of_one_validation_and_few_calls() -> None:
    assert_cost(GET, GET_CALLS)


def test_a_key_costs_a_page_no_call() -> None:
    assert_cost(with_key(GET), GET_CALLS)
