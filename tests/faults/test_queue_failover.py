"""Kill the queue's primary and promote its replica: what was acknowledged is there, or is told."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import httpx
import pytest
import redis

from cli.commands.status import Report
from cli.doctor.check import Verdict
from storage.errors import NotReplicated
from storage.model.event import encode_event, now_ms
from storage.postgres.engine import short_engine
from storage.queue.cluster_runner import replicated_runner
from storage.queue.producer import IdempotencyRecord, QueueProducer
from storage.queue.witness_record import read_evidence
from storage.redis import keys
from storage.redis.client import connect_async
from storage.settings import StorageSettings
from testbed.service import Service, service
from testbed.waiting import wait_until
from tests.support.doctor_bench import findings_of
from tests.support.freezing import frozen
from tests.support.load import load
from tests.support.queued import make_event
from tests.support.replicated_queue import ReplicatedQueue, replicated_queue
from tests.support.scraped import scrape

EVENT = {"component": "c", "environment": "e", "message": "m"}
UNCONFIRMED = "Too few replicas of the queue have confirmed"
IMPORTED = {**EVENT, "import_id": "one", "created_at": "2024-05-01T00:00:00Z"}


def status(running: Service) -> dict[str, Any]:
    found: dict[str, Any] = running.http.get("/status").json()
    return found


def wait_status(running: Service, good: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    return wait_until(lambda: found if good(found := status(running)) else {}, "the status")


def judged(settings: StorageSettings) -> Verdict:
    """Return what the doctor says of the replicas."""
    return findings_of(settings)["queue-replicas"].verdict


def lost(found: dict[str, Any]) -> int | None:
    return (found["conservation"] or {}).get("lost")


def accepted(running: Service, path: str = "/events", **request: Any) -> httpx.Response:
    """Repeat a request until it is accepted: a busy machine may keep replicas waiting."""

    def answer() -> httpx.Response | None:
        found = running.http.post(path, **request)
        assert found.status_code in (202, 503), found.text
        return found if found.status_code == 202 else None

    found = wait_until(answer, f"{path} to be accepted")
    assert found is not None
    return found


def stored(running: Service) -> list[str]:
    wait_status(running, lambda found: found["backlog"] == 0)
    return [str(event["id"]) for event in running.events(limit=1000)]


def test_what_replicas_have_confirmed_survives_the_failover_and_nothing_else_is_acknowledged(
    settings: StorageSettings,
) -> None:
    with (
        replicated_queue() as pair,
        service(pair.settings(settings, queue_replicas=1), workers=0) as running,
    ):
        assert pair.replica.pid
        with load(running) as producers:
            wait_until(lambda: len(producers.acknowledged) > 50, "posts")
            with frozen(pair.replica.pid):
                wait_until(lambda: producers.refused, "the replica to be missed")
                assert UNCONFIRMED in producers.refused[0]
                pair.primary.kill()
            pair.fail_over()
            acknowledged = producers.stop()
        running.start_worker()
        found = wait_status(running, lambda found: found["backlog"] == 0)
        assert lost(found) == 0
        for some in range(0, len(acknowledged), 50):
            events = running.by_ids(acknowledged[some : some + 50])["events"]
            assert {each["receipt"] for each in events} == {"stored"}


def test_without_its_replica_nothing_is_acknowledged_and_a_repetition_is_stored_once(
    settings: StorageSettings,
) -> None:
    with (
        replicated_queue() as pair,
        service(pair.settings(settings, queue_replicas=1)) as running,
    ):
        assert status(running)["queue"]["replicas_awaited"] == 1
        assert judged(pair.settings(settings)) is Verdict.WARNING
        assert judged(running.settings) is Verdict.OK
        pair.part()
        assert judged(running.settings) is Verdict.FAULT
        for _ in range(2):
            refused = running.http.post("/events", json=EVENT, headers={"Idempotency-Key": "a key"})
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "2")
            assert UNCONFIRMED in refused.json()["detail"]
        assert appended(pair) == 1
        for _ in range(3):
            assert running.http.post("/events", json=EVENT).status_code == 503
        assert appended(pair) == 1, "nothing is appended while the replica is away"
        ready = running.http.get("/health/ready")
        assert ready.status_code == 503
        assert UNCONFIRMED in ready.json()["dependencies"]["queue"]["detail"]
        found = status(running)
        assert "no event is acknowledged: 0 of 1 replicas" in str(found["attention"])
        assert found["queue"] == {"durability": "checked", "replicas": 0, "replicas_awaited": 1}
        pair.follow()
        again = accepted(running, json=EVENT, headers={"Idempotency-Key": "a key"})
        assert again.headers["idempotency-replayed"] == "true"
        wait_until(lambda: running.answers("/health/ready"), "the service to be ready")
        assert stored(running) == [again.json()["id"]]


def test_an_import_that_no_replica_confirmed_is_not_acknowledged_as_known(
    settings: StorageSettings,
) -> None:
    path = "/events/batch?import=true"
    with (
        replicated_queue() as pair,
        service(pair.settings(settings, queue_replicas=1), workers=0) as running,
    ):
        pair.part()
        for _ in range(2):  # the second one finds its event on the queue
            assert running.http.post(path, json=[IMPORTED]).status_code == 503
        pair.follow()
        accepted(running, path, json=[IMPORTED])
        assert appended(pair) == 1


def test_a_record_that_another_process_left_unconfirmed_is_not_acknowledged(
    settings: StorageSettings,
) -> None:
    event = make_event()
    items = [UUID(event.id).bytes, encode_event(event)]
    record = IdempotencyRecord(b"k" * 16, b"f" * 16, b"answer")

    async def refused(act: Callable[[QueueProducer], Awaitable[object]]) -> None:
        """Act as a process that has just begun, and that replicas have not failed yet."""
        runner = replicated_runner(pair.settings(settings, queue_replicas=1))
        producer = QueueProducer(connect_async(pair.url), 4, replicas=runner)
        try:
            with pytest.raises(NotReplicated):
                await act(producer)
        finally:
            await producer.close()

    def repeat(producer: QueueProducer) -> Awaitable[object]:
        return producer.append_idempotent(record, now_ms(), items)

    with replicated_queue() as pair:
        pair.part()
        for act in (repeat, repeat, lambda producer: producer.find_duplicate(record)):
            asyncio.run(refused(act))
        assert appended(pair) == 1


def appended(pair: ReplicatedQueue) -> int:
    with redis.Redis.from_url(pair.url) as queue:
        return sum(int(queue.hget(keys.state(n), "accepted") or 0) for n in range(4))


@pytest.mark.parametrize("restarted", [False, True])
def test_without_waiting_a_failover_loses_events_and_the_status_tells_how_many(
    settings: StorageSettings, restarted: bool
) -> None:
    with (
        replicated_queue() as pair,
        service(pair.settings(settings), apis=2, workers=0) as running,
    ):
        found = status(running)
        assert lost(found) == 0
        assert "ACTIVITY_QUEUE_REPLICAS is 0: a failover loses" in str(found["attention"])
        post(running, 20)
        pair.follow()
        pair.part()
        post(running, 15)
        if restarted:
            running.end_processes()
        pair.fail_over()
        if restarted:
            running.start_api()
            wait_until(lambda: answers(running), "the API")
        assert "know of at least 35" in told(running, 15)
        post(running, 30)  # more than are lost
        assert "know of at least 65" in told(running, 15)
        with short_engine(settings.database_url) as engine:
            wait_until(lambda: read_evidence(engine).gaps, "a record of it")
        wait_until(lambda: missing(running) == 15, "the metric to tell")
        running.end_processes()
        running.start_api()
        wait_until(lambda: answers(running), "the API")
        assert "know of at least 65" in told(running, 15)


def missing(running: Service) -> float | None:
    found = scrape(running.http).by("activity_unaccounted_events")
    return found.get(())  # a busy machine may not tell in time


def post(running: Service, count: int) -> None:
    for number in range(count):
        accepted(running, json={**EVENT, "data": {"n": number}})


def answers(running: Service) -> bool:
    try:
        return running.answers("/health/ready")
    except httpx.TransportError:  # a connection of before
        return False


def told(running: Service, count: int) -> str:
    """Wait until so many events are told as lost; return what `activity status` prints."""
    found = wait_status(running, lambda found: lost(found) == count)
    assert found["conservation"]["balanced"] is False
    text = Report("http://here", [], found).as_text()
    assert f"{count} acknowledged events may be lost" in text
    return text
