"""The metrics of the service: what is known is shown, and what is not is left out."""

import asyncio
import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from api.auth.access import ACCESS
from api.http import problems
from api.http.request_metrics import route_of
from api.ingest.rejections import reason_of
from api.ops.bounded_call import BoundedCall
from api.ops.metrics import Metrics
from api.ops.service_metrics import ServiceReading, samples_of, unaccounted
from api.routes import (
    admin,
    explorer,
    export,
    feed,
    ingest,
    ops,
    otlp,
    pages,
    query,
    session,
)
from storage.errors import KeysFull, QueueUnavailable, ShardFull
from storage.events.ledger import Account
from storage.metrics.labels import CODES, REASONS, ROUTES
from storage.metrics.samples import UNLABELLED
from storage.metrics.service_catalogue import WORKERS_WANTED
from storage.queue.inspector import ShardState
from tests.support.scraped import parse

NOTHING = ServiceReading({}, None, None, None, None, None)


def shard(number: int, **more: object) -> ShardState:
    values: dict[str, object] = {
        **dict.fromkeys(("accepted", "trimmed", "backlog", "appended", "foreign", "bytes"), 0),
        "lag_seconds": 0.0,
        "state": "idle",
        "last_error": "",
        "since_ms": 0,
        **more,
    }
    return ShardState(number, **values)  # type: ignore[arg-type]


def account(number: int, stored: int) -> dict[int, Account]:
    return {number: Account(number, stored, 0, 0, datetime.now(UTC))}


def test_nothing_is_shown_of_servers_that_did_not_answer() -> None:
    shown = {sampled.metric.name for sampled in samples_of(NOTHING, 10) if sampled.values}
    assert shown == {"activity_backlog_limit_events"}


def test_an_unknown_lag_of_one_shard_leaves_out_that_shard_alone() -> None:
    shards = [shard(0, lag_seconds=None), shard(1, lag_seconds=2.5, last_error="x")]
    reading = ServiceReading({}, shards, None, None, None, None)
    values = {found.metric.name: found.values for found in samples_of(reading, 10)}
    assert values["activity_lag_seconds"] == {("1",): 2.5}
    assert values["activity_shard_paused"] == {("0",): 0, ("1",): 1}
    assert values["activity_backlog_bytes"] == {UNLABELLED: 0}


@pytest.mark.parametrize(
    ("stored", "missing"),
    [(3, 2), (5, 0), (7, 0), (10, 0), (12, 2)],
)
def test_accounts_must_lie_between_two_readings_of_the_queue(stored: int, missing: int) -> None:
    before = [shard(0, accepted=8, trimmed=5, backlog=3, appended=3)]
    after = [shard(0, accepted=10, trimmed=7, backlog=3, appended=3)]
    assert unaccounted(before, account(0, stored), after) == missing


def test_events_that_the_queue_itself_has_lost_are_unaccounted() -> None:
    lost = [shard(0, accepted=10, trimmed=5, backlog=0)]
    assert unaccounted(lost, account(0, 5), lost) == 5
    assert unaccounted([], {}, [shard(0, accepted=2, backlog=2, appended=2)]) == 0


def test_every_route_of_the_api_has_its_label_and_no_other() -> None:
    modules = (ingest, otlp, feed, export, query, ops, admin, session, explorer, pages)
    routers = [module.router for module in modules]
    paths = [route.path for router in routers for route in router.routes]
    values = [re.sub("{[^}]*}", "x", path) for path in paths]
    assert {route_of(path) for path in values} == set(ROUTES) - {"unmatched", "unread"}


def test_a_route_has_its_own_path_as_label() -> None:
    others = {
        "/heath": "/health",
        "/docs/{name}": "/docs/{file}",
        "/docs/docs/{name}": "/docs/{file}",
        "/explorer/{version}/{name}": "/explorer/{path}",
    }
    labels = {path: route_of(re.sub("{[^}]*}", "x", path)) for _, path in ACCESS}
    assert labels == {path: others.get(path, path) for _, path in ACCESS}


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/", "/"),
        ("/api", "/"),
        ("/api/events/", "/events"),
        ("/events/batch", "/events/batch"),
        ("/events/x", "/events/{event_id}"),
        ("/api/events/x/around/", "/events/{event_id}/around"),
        ("/events/x/y", "unmatched"),
        ("/heath/", "/health"),
        ("/docs/docs/docs.js", "/docs/{file}"),
        ("/explorer/0123456789abcdef/table/grid.js", "/explorer/{path}"),
        ("*", "unmatched"),
        ("", "/"),
        ("unread", "unmatched"),
        ("unmatched", "unmatched"),
    ],
)
def test_a_path_has_one_route_however_it_is_spelt(path: str, route: str) -> None:
    assert route_of(path) == route


def test_every_status_of_a_problem_has_its_label() -> None:
    assert {str(status) for status in problems._TITLES} <= set(CODES)


def test_every_refusal_has_a_reason_of_the_catalogue() -> None:
    errors = [problems.Problem(status, "") for status in problems._TITLES]
    assert {reason_of(error) for error in errors} <= set(REASONS)
    assert reason_of(ShardFull("")) == "backlog_full"
    assert reason_of(KeysFull("")) == "keys_full"
    assert reason_of(QueueUnavailable("")) == "queue_unavailable"
    assert reason_of(ValueError()) == "internal"


class NoServers:
    """Servers of which nothing is known; counts how often they are asked."""

    def __init__(self) -> None:
        self.asked = 0

    async def read(self) -> ServiceReading:
        self.asked += 1
        await asyncio.sleep(0)
        return NOTHING

    async def close(self) -> None:
        pass


def test_the_workers_wanted_are_shown_once_they_are_known() -> None:
    reading = replace(NOTHING, workers_wanted=3)
    shown = {found.metric: found.values for found in samples_of(reading, 10) if found.values}
    assert shown[WORKERS_WANTED] == {UNLABELLED: 3}


def test_the_expiry_of_keys_is_shown_once_it_is_known() -> None:
    async def scenario() -> None:
        expiry: dict[tuple[str, ...], float] = {}
        metrics = Metrics(NoServers(), 10, lambda: expiry)  # type: ignore[arg-type]
        assert "key_expiry_seconds" not in (await metrics.answer("")).body.decode()
        expiry["0aZ9bY8x",] = 3
        found = parse((await metrics.answer("")).body.decode())
        assert found.by("activity_key_expiry_seconds", "id") == {("0aZ9bY8x",): 3}
        await metrics.close()

    asyncio.run(scenario())


def test_scrapes_at_the_same_time_ask_the_servers_once() -> None:
    async def scenario() -> None:
        servers = NoServers()
        metrics = Metrics(servers, 10, dict)  # type: ignore[arg-type]
        await asyncio.gather(*(metrics.answer("") for _ in range(10)))
        assert servers.asked == 1
        await metrics.answer("")
        assert servers.asked == 2
        await metrics.close()

    asyncio.run(scenario())


def test_a_call_that_hangs_is_not_made_again_and_its_late_answer_is_not_used() -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        answers: list[asyncio.Future[int]] = []

        def ask() -> asyncio.Future[int]:
            answers.append(loop.create_future())
            if len(answers) == 2:
                answers[1].set_result(8)
            return answers[-1]

        bounded = BoundedCall(ask)
        assert [await bounded.answer(0.001) for _ in range(3)] == [None] * 3
        assert len(answers) == 1
        answers[0].set_result(7)
        assert await bounded.answer(30) == 8
        await bounded.close()

    asyncio.run(scenario())


def test_a_call_that_fails_is_unknown_and_a_fault_of_ours_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def unavailable() -> int:
        raise QueueUnavailable("away")

    async def mistaken() -> int:
        raise ValueError("oops")

    async def scenario() -> None:
        assert await BoundedCall(unavailable).answer(30) is None
        assert caplog.text == ""
        assert await BoundedCall(mistaken).answer(30) is None
        assert "oops" in caplog.text

    asyncio.run(scenario())


def test_a_call_that_hangs_ends_with_its_process() -> None:
    async def scenario() -> None:
        forever = BoundedCall(lambda: asyncio.Event().wait())
        assert await forever.answer(0.001) is None
        await forever.close()
        await forever.close()

    asyncio.run(scenario())
