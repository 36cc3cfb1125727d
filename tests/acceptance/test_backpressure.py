"""Test a backlog at its limit: producers get a Retry-After, and later succeed."""

from storage.redis import keys
from storage.redis.client import connect
from storage.settings import StorageSettings
from testbed.service import Service, service
from testbed.waiting import wait_until
from tests.support.problems import problem

EVENT = {"component": "c", "environment": "e", "message": "m"}


def fill(running: Service) -> int:
    """Post until the first refusal; return how many were accepted."""
    accepted = 0
    while (answer := running.http.post("/events", json=EVENT)).status_code == 202:
        accepted += 1
    assert answer.status_code == 503
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    assert answer.headers["content-type"] == "application/problem+json"
    return accepted


def test_at_the_limit_of_events_producers_are_refused_until_a_drain_has_stored_some(
    settings: StorageSettings,
) -> None:
    with service(settings, workers=0, backlog_events=64) as running:
        accepted = fill(running)
        assert 48 <= accepted <= 64  # shards fill in turn, except two of one group
        running.start_worker()
        wait_until(
            lambda: running.http.post("/events", json=EVENT).status_code == 202, "room again"
        )


def test_refused_events_are_not_stored_and_accepted_events_are(settings: StorageSettings) -> None:
    with service(settings, workers=0, backlog_events=64) as running:
        accepted = fill(running)
        running.start_worker()
        wait_until(lambda: len(running.events(limit=1000)) >= accepted, "all to be stored")
        assert len(running.events(limit=1000)) == accepted


def test_at_the_limit_of_bytes_large_events_are_refused_and_small_ones_still_fit(
    settings: StorageSettings,
) -> None:
    limit = 64 * 1024 * 1024
    with service(settings, workers=0, backlog_bytes=limit) as running:
        large = {**EVENT, "message": "x" * 250_000}
        with connect(settings.queue_url) as queue:
            for tag in keys.tags(queue)[: settings.shards]:  # as if that many events were waiting
                queue.hset(keys.state(tag), "bytes", limit // settings.shards - 1000)
        assert running.http.post("/events", json=large).status_code == 503
        assert running.http.post("/events", json=EVENT).status_code == 202


def test_retry_after_follows_from_the_rate_at_which_workers_store(
    settings: StorageSettings,
) -> None:
    with service(settings, workers=0, backlog_events=64) as running:
        fill(running)
        with connect(settings.queue_url) as queue:

            def told(stored: int) -> int:
                """Pretend that workers have stored more events; return the answer to a post."""
                queue.hincrby(keys.state(keys.tags(queue)[0]), "trimmed", stored)
                return int(running.http.post("/events", json=EVENT).headers["retry-after"])

            wait_until(lambda: told(0) == 60, "nothing to be stored: the longest wait")
            wait_until(lambda: told(1000) == 1, "much to be stored: the shortest")


def test_a_batch_that_even_an_empty_queue_refuses_gets_no_retry_after(
    settings: StorageSettings,
) -> None:
    with service(settings, backlog_events=20 * settings.shards) as running:
        items = [{"component": "a", "environment": "b", "message": "c"}] * 21
        answer = running.http.post("/events/batch", json=items)
        assert "at most 20 events" in problem(answer, 413)["detail"]
        answer = running.http.post("/events/batch?ack=stored", json=items[:20])
        assert answer.status_code == 201


def test_past_the_limit_of_keys_new_keys_get_503_and_events_without_keys_are_accepted(
    settings: StorageSettings,
) -> None:
    with service(settings, idempotency_keys=64) as running:
        statuses: list[int] = []
        while 503 not in statuses:
            key = {"idempotency-key": f"key {len(statuses)}"}
            answer = running.http.post("/events", json=EVENT, headers=key)
            statuses.append(answer.status_code)
        assert 16 <= statuses.count(202) <= 64  # that many on each shard
        assert "Idempotency-Keys" in problem(answer, 503)["detail"]
        assert answer.headers["retry-after"] == "60"
        assert running.http.post("/events", json=EVENT).status_code == 202
        again = running.http.post("/events", json=EVENT, headers={"idempotency-key": "key 0"})
        assert again.status_code == 202
