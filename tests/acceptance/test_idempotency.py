"""Test `Idempotency-Key`: a request that is sent again counts once."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from testbed.service import Service
from testbed.waiting import wait_until

EVENT: dict[str, Any] = {"component": "once", "environment": "e", "message": "m", "data": [1.10]}


def post(running: Service, key: str, **changes: object) -> httpx.Response:
    return running.http.post("/events", json={**EVENT, **changes}, headers={"Idempotency-Key": key})


def test_the_same_key_and_body_give_the_same_answer_and_one_event(running: Service) -> None:
    answers = [post(running, "same", component="once-same") for _ in range(3)]
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.content for answer in answers}) == 1
    assert len({answer.headers["location"] for answer in answers}) == 1
    running.wait_stored(answers[0].json()["id"])
    again = post(running, "same", component="once-same")  # after it has left the queue
    assert again.content == answers[0].content
    assert len(running.events(component="once-same")) == 1


def test_a_repeated_answer_has_the_header_that_says_so(running: Service) -> None:
    first, second = (post(running, "told", component="once-told") for _ in range(2))
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in running.http.post("/events", json=EVENT).headers
    for path in ("/events/batch", "/events/batch?ack=stored"):
        headers = {"Idempotency-Key": path}
        answers = [running.http.post(path, json=[EVENT], headers=headers) for _ in range(2)]
        told = [answer.headers.get("idempotency-replayed") for answer in answers]
        assert told == [None, "true"]


def test_the_same_key_with_another_body_is_refused(running: Service) -> None:
    assert post(running, "other").status_code == 202
    answer = post(running, "other", message="changed")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["header"] == "Idempotency-Key"


def test_a_refused_request_does_not_use_its_key_up(running: Service) -> None:
    assert post(running, "mended", message="").status_code == 422
    assert post(running, "mended").status_code == 202


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\there"])
def test_an_unusable_key_is_refused(running: Service, key: str) -> None:
    answer = post(running, key)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["header"] == "Idempotency-Key"


def test_two_keys_on_one_request_are_refused(running: Service) -> None:
    headers = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
    assert running.http.post("/events", json=EVENT, headers=headers).status_code == 422


def test_many_simultaneous_requests_with_one_key_store_one_event(running: Service) -> None:
    barrier = threading.Barrier(12)

    def send(_: int) -> httpx.Response:
        barrier.wait()
        with httpx.Client(base_url=running.url, timeout=60, trust_env=False) as client:
            return client.post(
                "/events",
                json={**EVENT, "component": "once-race"},
                headers={"Idempotency-Key": "race"},
            )

    with ThreadPoolExecutor(12) as threads:
        answers = list(threads.map(send, range(12)))
    assert {answer.status_code for answer in answers} <= {202, 409}
    accepted = {answer.content for answer in answers if answer.status_code == 202}
    assert len(accepted) == 1
    for answer in answers:
        if answer.status_code == 409:
            assert "retry-after" in answer.headers
    wait_until(lambda: running.events(component="once-race"), "the event to be stored")
    assert len(running.events(component="once-race")) == 1
