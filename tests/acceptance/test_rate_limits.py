"""Limits of keys, held by several API processes over real HTTP."""

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

import httpx
import pytest
import redis

from activity_client import ActivityClient
from api.formats.otlp.encodings import JSON, PROTOBUF, Encoding
from storage.access.api_key import Scope
from storage.access.rate_limits import MILLION
from storage.redis import keys
from storage.redis.client import connect
from storage.settings import StorageSettings
from testbed.service import Service, service
from testbed.waiting import wait_until
from tests.support.hammering import Hammer
from tests.support.keys import TestKey, client, new_key, put_on_queue
from tests.support.otlp_requests import encoded, log_record
from tests.support.otlp_requests import request as logs
from tests.support.own_queue import own_control
from tests.support.problems import problem
from tests.support.send_command import SendCommand, ndjson

EVENT = {"component": "orders", "environment": "production", "message": "shipped"}
PROCESSES = 4


@pytest.fixture
def control(settings: StorageSettings) -> Iterator[redis.Redis]:
    with connect(settings.control_url) as opened:
        yield opened


@contextmanager
def four_processes(settings: StorageSettings) -> Iterator[list[Service]]:
    """Run four API processes, each on a port of its own, so that each gets the same load."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(service(settings, workers=0, probe="/health"))
            for _ in range(PROCESSES)
        ]


def now(control: redis.Redis) -> float:
    """Return the time of control's clock."""
    seconds, micros = control.time()
    return int(seconds) + int(micros) / MILLION


def on_control(control: redis.Redis, key: TestKey) -> dict[str, int]:
    """Return what control has of the key's limit."""
    names = ("room", "used")
    values: Any = control.hmget(keys.limit(key.key.id), names)
    return {name: int(value or 0) for name, value in zip(names, values, strict=True)}


def test_four_processes_hold_a_limit_within_two_percent(
    settings: StorageSettings, control: redis.Redis
) -> None:
    """Count, by control's clock: a slow machine makes the run longer, and not less exact."""
    rate, wanted = 200, 3_000
    key = new_key(Scope.WRITE, events_per_second=rate, events_per_day=10**9)
    put_on_queue(settings, key)
    hammer = Hammer(key.token)
    with four_processes(settings) as processes:
        begin, began = now(control), monotonic()
        hammer.run(processes, lambda: hammer.accepted >= wanted, clients=2)
        end, ended = now(control), monotonic()
    # The processes have given back what they did not use, and paid what they let pass alone.
    found = on_control(control, key)
    assert set(hammer.answers) == {202, 429}
    assert found["used"] == hammer.accepted
    debt = max(0.0, -found["room"] / MILLION)
    allowed = rate * (end - begin + 1)
    assert hammer.accepted - debt <= allowed
    # Room that is full for a while is lost. That takes a second without a refusal.
    lost = rate * hammer.pauses(1.0, began, ended)
    assert hammer.accepted >= 0.98 * allowed - lost


def test_a_quota_is_used_up_to_the_last_event_by_all_processes_together(
    settings: StorageSettings, control: redis.Redis
) -> None:
    quota = 500
    key = new_key(Scope.WRITE, events_per_day=quota)
    put_on_queue(settings, key)
    hammer = Hammer(key.token)
    with four_processes(settings) as processes:
        hammer.run(processes, lambda: hammer.accepted >= quota, clients=2)
        with client(processes[0], key) as http:
            refused = http.post("/events", json=EVENT)
    assert hammer.accepted == quota
    assert on_control(control, key)["used"] == quota
    assert problem(refused, 429)["violated-policies"] == ["day"]


def test_keys_do_not_influence_each_other(settings: StorageSettings) -> None:
    greedy, modest = (new_key(Scope.WRITE, events_per_second=each) for each in (10, 40))
    unlimited = new_key(Scope.WRITE)
    put_on_queue(settings, greedy, modest, unlimited)
    hammer = Hammer(greedy.token)
    answers: list[int] = []
    with (
        service(settings, workers=0, probe="/health") as running,
        client(running, modest) as some,
        client(running, unlimited) as other,
    ):

        def post_between() -> bool:
            answers.extend(http.post("/events", json=EVENT).status_code for http in (some, other))
            return len(answers) >= 80

        hammer.run([running], post_between, clients=1)
    assert hammer.answers[429] > 0
    assert set(answers) == {202}


def test_a_refusal_and_an_acceptance_say_what_the_limit_is(settings: StorageSettings) -> None:
    key = new_key(Scope.WRITE, events_per_second=2, events_per_day=1_000)
    put_on_queue(settings, key)
    with service(settings, workers=0) as running, client(running, key) as http:
        accepted = http.post("/events", json=EVENT)
        assert accepted.status_code == 202
        policy = '"second";q=2;w=1;qu="events", "day";q=1000;w=86400;qu="events"'
        assert accepted.headers["ratelimit-policy"] == policy
        assert accepted.headers["ratelimit"].startswith('"second";r=1;t=1, "day";r=999;t=')
        large = http.post("/events/batch", json=[EVENT] * 20)
        assert large.status_code == 202
        assert large.headers["ratelimit"].startswith('"second";r=0;t=')
        for path, body in (("/events", EVENT), ("/events/batch", [EVENT])):
            refused = http.post(path, json=body)
            told = problem(refused, 429)
            assert told["violated-policies"] == ["second"]
            assert 1 <= int(refused.headers["retry-after"]) <= 10
            assert refused.headers["ratelimit-policy"] == policy
            wait = refused.headers["retry-after"]
            assert refused.headers["ratelimit"] == f'"second";r=0;t={wait}'


def test_only_what_is_accepted_counts(settings: StorageSettings) -> None:
    key = new_key(Scope.WRITE, Scope.OBSERVE, events_per_day=10)
    put_on_queue(settings, key)
    with service(settings, workers=0) as running, client(running, key) as http:
        for _ in range(20):
            assert http.post("/events", json={}).status_code == 422
            assert http.post("/events/batch?dry_run=true", json=[EVENT] * 9).status_code == 200
        mixed = http.post("/events/batch", json=[EVENT, {}, {}, {}, EVENT])
        assert mixed.json()["accepted"] == 2
        first = http.post("/events/batch", json=[EVENT] * 6, headers={"idempotency-key": "k"})
        assert first.status_code == 202  # 8 are used
        assert http.post("/events/batch", json=[EVENT] * 3).status_code == 429
        assert http.post("/events", json=EVENT).status_code == 202
        assert http.post("/events", json=EVENT).status_code == 202
        assert http.post("/events", json=EVENT).status_code == 429
        metrics = http.get("/metrics").text
        assert re.findall(r"^activity_rate_limited_events_total.* (\S+)$", metrics, re.M) == ["4.0"]


def test_a_repeated_request_costs_one_event_and_is_always_answered(
    settings: StorageSettings,
) -> None:
    key = new_key(Scope.WRITE, Scope.OBSERVE, events_per_day=55)
    put_on_queue(settings, key)
    with service(settings, workers=0) as running, client(running, key) as http:
        headers = {"idempotency-key": "k"}
        first, second = (
            http.post("/events/batch", json=[EVENT] * 2, headers=headers) for _ in range(2)
        )
        assert first.headers["ratelimit"].startswith('"day";r=53;')
        assert second.headers["ratelimit"].startswith('"day";r=52;')
        assert http.post("/events/batch", json=[EVENT] * 52).status_code == 202
        assert http.post("/events", json=EVENT).status_code == 429
        third = http.post("/events/batch", json=[EVENT] * 2, headers=headers)
        assert third.status_code == 202
        assert third.json() == second.json() == first.json()
        assert http.post("/events/batch", json=[EVENT], headers=headers).status_code == 422
        metrics = http.get("/metrics").text
        assert re.findall(r"^activity_rate_limited_events_total.* (\S+)$", metrics, re.M) == ["1.0"]


def test_more_events_than_can_ever_pass_are_refused_for_good(settings: StorageSettings) -> None:
    key = new_key(Scope.WRITE, events_per_second=1)
    put_on_queue(settings, key)
    with service(settings, workers=0) as running, client(running, key) as http:
        told = problem(http.post("/events/batch", json=[EVENT] * 61), 413)
        assert "at most 60 events" in told["detail"]
        assert http.post("/events/batch", json=[EVENT] * 60).status_code == 202


@pytest.mark.parametrize("encoding", [PROTOBUF, JSON])
def test_opentelemetry_senders_are_told_when_to_try_again(
    settings: StorageSettings, encoding: Encoding
) -> None:
    key = new_key(Scope.WRITE, events_per_day=2)
    put_on_queue(settings, key)
    body = encoded(logs(log_record("one"), log_record("two")), encoding)
    headers = {"content-type": encoding.media_type}
    with service(settings, workers=0) as running, client(running, key) as http:
        accepted, refused = (http.post("/v1/logs", content=body, headers=headers) for _ in range(2))
    assert accepted.status_code == 200
    assert accepted.headers["ratelimit"].startswith('"day";r=0;t=')
    assert refused.status_code == 429
    assert refused.headers["content-type"] == encoding.media_type
    assert 1 <= int(refused.headers["retry-after"]) <= 86_400


def test_cloudevents_count_like_other_events(settings: StorageSettings) -> None:
    key = new_key(Scope.WRITE, events_per_day=1)
    put_on_queue(settings, key)
    headers = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "t"}
    with service(settings, workers=0) as running, client(running, key) as http:
        assert http.post("/events", json={}, headers=headers).status_code == 202
        refused = http.post("/events", json={}, headers=headers)
        assert problem(refused, 429)["violated-policies"] == ["day"]


def test_events_go_on_and_none_is_lost_when_control_is_killed(settings: StorageSettings) -> None:
    key = new_key(events_per_second=50)
    put_on_queue(settings, key)
    with own_control() as control:
        control.start()
        alone = settings.model_copy(update={"control_url": control.url})
        with service(alone) as running, client(running, key) as http:
            answers = [http.post("/events", json=EVENT) for _ in range(20)]
            control.kill()
            answers += [http.post("/events", json=EVENT) for _ in range(40)]
            assert {answer.status_code for answer in answers[20:]} <= {202, 429}
            accepted = [answer.json()["id"] for answer in answers if answer.status_code == 202]
            assert len(accepted) > 20
            control.start()
            running.workers.pop().wait(60)  # a supervisor would start it again
            running.start_worker()
            wait_until(
                lambda: http.post("/events/batch", json=[EVENT] * 50).status_code == 429,
                "control to hold the limit again",
            )
            for event_id in accepted:
                wait_until(partial(is_stored, http, event_id), "it to be stored")


def test_the_client_waits_and_sends_everything_once(settings: StorageSettings) -> None:
    key = new_key(events_per_second=40)
    put_on_queue(settings, key)
    with service(settings) as running:
        with ActivityClient(
            running.url, component="limited", environment="test", key=key.token
        ) as sender:
            for number in range(150):
                sender.send(message=f"m{number}")
            assert sender.flush(60)
        assert_all_stored_once(running, key)


def test_the_command_waits_and_sends_everything_once(
    settings: StorageSettings, tmp_path: Path
) -> None:
    key = new_key(events_per_second=40)
    put_on_queue(settings, key)
    with service(settings) as running:
        command = SendCommand(running.url, tmp_path / "state", ACTIVITY_KEY=key.token)
        sent = command.run(ndjson(tmp_path / "events", 150, component="limited"))
        assert sent.returncode == 0, sent.stderr
        assert_all_stored_once(running, key)


def is_stored(http: httpx.Client, event_id: str) -> bool:
    return bool(http.get(f"/events/{event_id}").json()["receipt"] == "stored")


def assert_all_stored_once(running: Service, key: TestKey) -> None:
    """Assert that 150 events are stored, and none of them twice."""

    def messages() -> list[str]:
        answer = http.get("/events", params={"component": "limited", "limit": 1_000})
        return [event["message"] for event in answer.json()["events"]]

    with client(running, key) as http:
        wait_until(lambda: len(messages()) >= 150, "all events to be stored")
        assert sorted(messages()) == sorted(f"m{number}" for number in range(150))
