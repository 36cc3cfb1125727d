"""Test `ack=stored` when the commit is late or never comes."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from storage.settings import StorageSettings
from testbed.service import Service, service
from testbed.waiting import wait_until

EVENT: dict[str, Any] = {"component": "acks", "environment": "e", "message": "m", "data": 1.50}


@pytest.fixture
def unattended(settings: StorageSettings) -> Iterator[Service]:
    """Run a service without workers: every accepted event stays in the queue."""
    with service(settings, workers=0, ack_seconds=0.3) as started:
        yield started


def test_a_wait_that_ends_first_is_answered_with_a_receipt(unattended: Service) -> None:
    answer = unattended.http.post("/events?ack=stored", json=EVENT)
    assert (answer.status_code, answer.headers["activity-ack"]) == (202, "queued")
    assert answer.json()["receipt"] == "queued"
    answer = unattended.http.post("/events/batch?ack=stored", json=[EVENT, 3])
    assert (answer.status_code, answer.headers["activity-ack"]) == (202, "queued")
    assert answer.json()["results"][0]["receipt"] == "queued"


def test_waiting_again_for_what_was_accepted_before_needs_only_its_key(
    unattended: Service,
) -> None:
    headers = {"idempotency-key": str(uuid4())}
    first = unattended.http.post("/events?ack=stored", json=EVENT, headers=headers)
    assert first.status_code == 202
    unattended.start_worker()

    def stored() -> bool:
        again = unattended.http.post("/events?ack=stored", json=EVENT, headers=headers)
        assert again.json() == {**first.json(), "receipt": again.headers["activity-ack"]}
        return again.status_code == 201

    wait_until(stored, "the worker to store it")


def test_queued_events_are_found_by_id_before_any_worker_has_seen_them(
    unattended: Service,
) -> None:
    ids = [unattended.http.post("/events", json=EVENT).json()["id"] for _ in range(150)]
    found = unattended.by_ids(ids)
    assert [one["id"] for one in found["events"]] == ids
    assert {one["receipt"] for one in found["events"]} == {"queued"}
