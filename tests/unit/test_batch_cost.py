"""Count what an event of a batch costs, without a clock: Python calls and its share of an append.

Counts as `test_cost` does. A function that is called for each event shows as one call more; one
that is called for each hundred events hardly shows.
"""

import asyncio
from collections.abc import Iterator
from itertools import islice
from types import SimpleNamespace
from typing import Any, cast

from starlette.requests import Request
from starlette.types import Message

from api.auth.limits import KeyLimits
from api.auth.principal import Principal
from api.formats.hints import NDJSON
from api.http.memory_budget import MemoryBudget
from api.http.request_body import BodyLimits
from api.ingest.batch_reader import BatchLimits
from api.ingest.group_commit import GroupCommit
from api.ingest.service import Ingest
from api.routes.ingest import post_batch
from api.routes.protected_route import PRINCIPAL
from benchmarks.events import EventMaker
from storage.queue.producer import Appended, BacklogLimits, QueuePosition
from tests.unit.test_cost import MARGIN, Calls

EVENT_CALLS = 1.4
EVENTS = 1_000
BODY = b"\n".join(event.body() for event in islice(EventMaker("cost"), EVENTS))
PIECE = 64 * 1024  # uvicorn pauses reading at this size


class Queue:
    """A queue that answers at once."""

    def __init__(self) -> None:
        self.appended: list[int] = []

    async def append(
        self, shard: int, oldest_ms: int, items: list[bytes], even_paused: bool = False
    ) -> Appended:
        self.appended.append(len(items) // 2)
        await asyncio.sleep(0)
        return Appended(0, QueuePosition(shard, 1), 0, 0)

    def app(self) -> Any:
        commit = GroupCommit(self.append, 4, 10_000, lambda *drain: None)
        services = SimpleNamespace(
            limits=SimpleNamespace(
                batch=BodyLimits(1 << 24, 30, "here"), items=BatchLimits(10_000, 262_144)
            ),
            memory_budget=MemoryBudget(1 << 24),
            ingest=Ingest(
                commit,
                cast(Any, None),
                cast(Any, None),
                BacklogLimits(),
                KeyLimits(cast(Any, None), 0.05),
            ),
        )
        return SimpleNamespace(state=SimpleNamespace(services=services))


def request(app: Any) -> Request:
    pieces = (BODY[at : at + PIECE] for at in range(0, len(BODY), PIECE))
    messages: Iterator[Message] = (
        {"type": "http.request", "body": piece, "more_body": not BODY.endswith(piece)}
        for piece in pieces
    )

    async def receive() -> Message:
        return next(messages)

    scope = {
        "type": "http",
        "headers": [(b"content-type", NDJSON.encode())],
        "query_string": b"",
        "app": app,
        PRINCIPAL: Principal(),
    }
    return Request(scope, receive)


def test_a_good_event_of_a_batch_takes_few_calls_and_a_share_of_one_append() -> None:
    queue, calls = Queue(), Calls()

    async def scenario() -> None:
        app = queue.app()

        async def post() -> None:
            assert (await post_batch(request(app))).status_code == 202

        await post()  # setup is no cost of an event
        await calls.during(post)

    asyncio.run(scenario())
    assert queue.appended == [EVENTS, EVENTS]
    an_event = sum(calls.counts.values()) / EVENTS
    listed = "\n".join(f"{n / EVENTS:6.3f} {name}" for name, n in calls.counts.most_common(40))
    print(f"{an_event:.2f} calls an event\n{listed}")
    assert an_event <= EVENT_CALLS * MARGIN, f"{an_event:.2f}, not {EVENT_CALLS}\n{listed}"
