"""The fast path holds the limits of keys as the routes do."""

import asyncio
import json

import pytest

from storage.access.api_key import Scope
from storage.access.rate_limits import DAY_SECONDS, MILLION, Demand, Grant, RateLimit
from storage.errors import QueueUnavailable
from tests.support import fast_path_posts
from tests.support.fast_path_posts import BODY, goes_on, post, under_way
from tests.support.gcra import Gcra
from tests.support.hostile import JSON
from tests.support.keys import TestKey, new_key, ring_with
from tests.support.wired import Wired, run

_no_lingering = fast_path_posts._no_lingering

NOON_US = 20_000 * DAY_SECONDS * MILLION
THREE_A_DAY = new_key(Scope.WRITE, events_per_day=3)


class Control:
    """What `RateLimits` does, with a model that shows one time."""

    def __init__(self) -> None:
        self.models: dict[str, Gcra] = {}

    async def grant(self, key_id: str, limit: RateLimit, demand: Demand) -> Grant:
        await asyncio.sleep(0)
        return self.models.setdefault(key_id, Gcra(limit)).answer(NOON_US, demand)


def wired_for(key: TestKey, control: Control | None = None, with_fast_path: bool = True) -> Wired:
    keys = ring_with(key)
    keys.principal_of([(b"authorization", key.value)])
    return Wired(with_fast_path, keys=keys, control=control or Control())


def sent_by(key: TestKey) -> bytes:
    return post(BODY, JSON, b"Authorization: " + key.value)


@pytest.mark.parametrize("with_fast_path", [True, False])
def test_both_ways_accept_and_refuse_alike(with_fast_path: bool) -> None:
    async def scenario() -> None:
        wired = wired_for(THREE_A_DAY, with_fast_path=with_fast_path)
        await wired.send(sent_by(THREE_A_DAY) * 5)
        await wired.hang_up()
        answers = wired.answers
        assert [answer.status for answer in answers] == [202, 202, 202, 429, 429]
        assert len(wired.appended) == 3
        assert (wired.requests == 0) == with_fast_path
        assert answers[0].headers["ratelimit-policy"] == '"day";q=3;w=86400;qu="events"'
        assert answers[2].headers["ratelimit"].startswith('"day";r=0;t=')
        assert int(answers[3].headers["retry-after"]) == DAY_SECONDS
        assert json.loads(answers[3].body)["violated-policies"] == ["day"]

    run(scenario)


def test_a_refused_post_does_not_stop_the_next_ones_of_its_connection() -> None:
    other = new_key(Scope.WRITE)

    async def scenario() -> None:
        wired = wired_for(THREE_A_DAY)
        await wired.send(sent_by(THREE_A_DAY) * 4)
        await wired.send(sent_by(THREE_A_DAY))
        assert [answer.status for answer in wired.answers] == [202, 202, 202, 429, 429]
        await wired.hang_up()

    assert other.key.events_per_day is None
    run(scenario)


def test_an_event_that_the_queue_does_not_take_costs_nothing() -> None:
    async def scenario() -> None:
        wired = wired_for(THREE_A_DAY)
        wired.error = QueueUnavailable("away")
        await wired.send(sent_by(THREE_A_DAY) * 7)
        wired.error = None
        await wired.send(sent_by(THREE_A_DAY) * 4)
        assert [answer.status for answer in wired.answers] == [503] * 7 + [202] * 3 + [429]
        await wired.hang_up()

    run(scenario)


def test_a_client_that_leaves_while_its_event_waits_for_a_grant_harms_nobody() -> None:
    async def scenario() -> None:
        wired = wired_for(THREE_A_DAY)
        under_way(wired)
        wired.protocol.data_received(sent_by(THREE_A_DAY))
        await wired.hang_up()
        await goes_on(wired)
        assert wired.answers == []

    run(scenario)


def test_a_key_without_limits_never_asks_control() -> None:
    key, control = new_key(Scope.WRITE), Control()

    async def scenario() -> None:
        wired = wired_for(key, control)
        await wired.send(sent_by(key))
        assert "ratelimit-policy" not in wired.answers[0].headers
        await wired.hang_up()

    run(scenario)
    assert control.models == {}
