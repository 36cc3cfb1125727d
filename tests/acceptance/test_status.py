"""Test `GET /status`: the backlog, and the proof that every accepted event is accounted for."""

from importlib.metadata import version
from typing import Any

import pytest
import sqlalchemy as sa

from storage.redis import keys
from storage.redis.client import connect
from storage.settings import StorageSettings
from testbed.service import Service, service
from testbed.waiting import wait_until

EVENT = {"component": "c", "environment": "e", "message": "m"}


def status(running: Service) -> dict[str, Any]:
    answer = running.http.get("/status")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def quiet(running: Service) -> dict[str, Any]:
    """Return the status once the backlog is empty."""
    return wait_until(
        lambda: found if (found := status(running))["backlog"] == 0 else {}, "an empty backlog"
    )


def wait_for_attention(running: Service, wanted: list[str]) -> None:
    """Wait until `attention` is exactly this: on a busy machine a server may answer late."""
    wait_until(lambda: status(running)["attention"] == wanted, f"attention to be {wanted}")


def test_both_sides_are_shown_and_balance(settings: StorageSettings) -> None:
    with service(settings) as running:
        for _ in range(50):
            running.post(**EVENT)
        found = quiet(running)
        conservation = found["conservation"]
        assert conservation["balanced"] is True
        assert conservation["accepted"] == conservation["trimmed"] == 50
        assert conservation["accounted"] == 50
        assert (conservation["queue_unaccounted"], conservation["untrimmed"]) == (0, 0)
        assert conservation["since"] is not None
        assert sum(shard["stored"] for shard in found["shards"]) == 50
        assert found["workers"] == 1
        assert (found["status"], found["attention"]) == ("ok", [])
        assert found["version"] == version("activity-service")
        assert 0 <= found["uptime_seconds"] <= status(running)["uptime_seconds"] < 3_600


def test_it_balances_at_every_moment_while_events_pour_in(settings: StorageSettings) -> None:
    with service(settings) as running:
        for _ in range(40):
            for _ in range(25):
                running.post(**EVENT)
            assert status(running)["conservation"]["balanced"] is True
        assert quiet(running)["conservation"]["accounted"] == 1000


def test_without_a_worker_events_wait_and_that_is_said(settings: StorageSettings) -> None:
    with service(settings, workers=0) as running:
        for _ in range(10):
            running.post(**EVENT)
        found = wait_until(
            lambda: found if (found := status(running))["lag_seconds"] > 0.2 else {}, "a lag"
        )
        assert found["backlog"] == 10
        assert found["backlog_bytes"] > 1000
        assert found["conservation"]["balanced"] is True
        assert "no worker runs: events are accepted and wait" in found["attention"]


def test_an_event_lost_from_the_queue_is_detected(settings: StorageSettings) -> None:
    with service(settings, workers=0) as running:
        running.post(**EVENT)
        with connect(settings.queue_url) as queue:
            for tag in keys.tags(queue)[: settings.shards]:
                queue.delete(keys.stream(tag))
        found = status(running)
        assert found["conservation"]["balanced"] is False
        assert found["conservation"]["queue_unaccounted"] == 1
        assert found["status"] == "attention"


def test_an_event_that_was_trimmed_and_never_committed_is_detected(
    settings: StorageSettings,
) -> None:
    with service(settings) as running:
        running.post(**EVENT)
        quiet(running)
        engine = sa.create_engine(settings.database_url)
        with engine.begin() as connection:
            connection.execute(sa.text("UPDATE drain_ledger SET stored = 0"))
        engine.dispose()
        assert status(running)["conservation"]["balanced"] is False


def test_a_queue_that_is_not_durable_is_reported_in_attention(settings: StorageSettings) -> None:
    with connect(settings.queue_url) as queue, service(settings) as running:
        queue.config_set("appendfsync", "everysec")
        try:
            wait_for_attention(running, ["the queue has appendfsync everysec and needs always"])
        finally:
            queue.config_set("appendfsync", "always")
        wait_for_attention(running, [])


def test_a_figure_that_cannot_be_read_is_unknown_and_its_server_named(
    settings: StorageSettings,
) -> None:
    away = settings.model_copy(
        update={"database_url": "postgresql+psycopg2://nobody@/nothing?host=/nowhere"}
    )
    with service(away, workers=0) as running:
        running.post(**EVENT)
        found = status(running)
        assert found["backlog"] == 1
        assert found["dead_letters"] is None
        assert found["conservation"]["balanced"] is None
        [said] = [one for one in found["attention"] if "the database can't be asked" in one]
        assert "PostgreSQL can't answer now" in said
        assert "nobody@" not in said


def test_a_queue_that_is_not_durable_is_logged_at_the_start(
    settings: StorageSettings, capfd: pytest.CaptureFixture[str]
) -> None:
    with connect(settings.queue_url) as queue:
        queue.config_set("appendonly", "no")
        try:
            with service(settings, workers=0):
                pass
        finally:
            queue.config_set("appendonly", "yes")
    said = capfd.readouterr().err
    assert "ACKNOWLEDGED EVENTS MAY BE LOST: the queue has appendonly no and needs yes" in said
