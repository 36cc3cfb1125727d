"""`/status` and `activity status` report the unknown as unknown, and shards without progress."""

import re
from collections.abc import Callable
from typing import Any

import pytest
import redis
import sqlalchemy as sa

from cli.commands.status import Report
from storage.postgres.engine import plain_engine
from storage.redis import keys
from storage.settings import StorageSettings
from testbed.servers import TestServers
from testbed.service import Service, service
from testbed.waiting import wait_until
from tests.support.freezing import frozen
from tests.support.refusing import refuse, refuse_nothing

EVENT = {"component": "c", "environment": "e", "message": "m"}
OF_THE_QUEUE = (
    "backlog", "backlog_bytes", "lag_seconds", "stored_per_second", "workers_wanted", "shards",
)  # fmt: skip


def status(running: Service) -> dict[str, Any]:
    found: dict[str, Any] = running.http.get("/status").json()
    return found


def wait_status(running: Service, good: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    return wait_until(
        lambda: found if good(found := status(running)) else {}, "the status", seconds=60
    )


def as_text(found: dict[str, Any]) -> str:
    """Render the report as `activity status` does."""
    return Report("http://here", [], found).as_text()


def test_while_the_queue_is_frozen_every_figure_of_it_is_unknown(
    settings: StorageSettings, servers: TestServers
) -> None:
    pid = servers.servers.queue.pid
    assert pid is not None
    with service(settings, workers=0) as running:
        running.post(**EVENT)
        assert status(running)["backlog"] == 1
        with frozen(pid):
            found = status(running)
        assert {name: found[name] for name in OF_THE_QUEUE} == dict.fromkeys(OF_THE_QUEUE)
        assert (found["conservation"], found["status"]) == (None, "attention")
        assert "the queue can't be asked" in found["attention"][0]
        shown = as_text(found)
        for name in ("Backlog", "Storing", "Accepted", "In PostgreSQL", "Balance"):
            assert re.search(rf"^{name} +unknown\b", shown, re.MULTILINE), shown
        wait_status(running, lambda found: found["backlog"] == 1)


def test_a_rate_that_is_not_measured_yet_is_unknown(settings: StorageSettings) -> None:
    with service(settings, workers=0) as running:
        assert status(running)["stored_per_second"] in (None, 0.0)
        wait_status(running, lambda found: found["stored_per_second"] == 0.0)


@pytest.fixture
def engine(settings: StorageSettings) -> Any:
    found = plain_engine(settings.database_url)
    yield found
    found.dispose()


def test_a_shard_that_waits_is_named_with_its_reason_avoided_by_new_posts_and_recovers(
    settings: StorageSettings, engine: sa.Engine
) -> None:
    # The row of this shard in the ledger is refused, which no drain expects; other shards work.
    with service(settings) as running:
        with engine.begin() as connection:
            connection.exec_driver_sql(
                "INSERT INTO drain_ledger (shard, fence) VALUES (0, 0), (1, 0), (2, 0)"
            )
            connection.exec_driver_sql(
                "ALTER TABLE drain_ledger ADD CONSTRAINT mine CHECK (shard <> 0 OR fence = 0)"
            )
        for _ in range(200):
            running.post(**EVENT)
        fill(settings, running)
        found = wait_status(
            running, lambda found: any("shard 0 waits" in one for one in found["attention"])
        )
        assert "23514" in found["shards"][0]["last_error"]
        assert found["conservation"]["balanced"] is True
        assert re.search(r"! shard 0 waits: .*23514", as_text(found))
        waiting = found["shards"][0]["backlog"]
        last = [running.post(**EVENT) for _ in range(200)][-1]
        running.wait_stored(last["id"])
        assert status(running)["shards"][0]["backlog"] == waiting
        with engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE drain_ledger DROP CONSTRAINT mine")
        found = wait_status(running, lambda found: found["backlog"] == 0)
        assert found["shards"][0]["last_error"] is None
        assert found["attention"] == ["1 dead letter waits for a decision"]


def fill(settings: StorageSettings, running: Service) -> None:
    """Add a foreign entry to shard 0, wherever the API appends its events."""
    with redis.Redis.from_url(settings.queue_url) as queue:
        queue.xadd(keys.stream(0), {"e": "garbage"})


def test_garbage_on_a_shard_becomes_a_dead_letter_and_the_accounts_balance(
    settings: StorageSettings,
) -> None:
    with service(settings, workers=0) as running:
        running.post(**EVENT)
        fill(settings, running)
        found = status(running)
        assert (found["backlog"], found["conservation"]["foreign_backlog"]) == (2, 1)
        assert found["conservation"]["balanced"] is True
        running.start_worker()
        found = wait_status(running, lambda found: found["backlog"] == 0)
        assert found["conservation"]["balanced"] is True
        assert (found["dead_letters"], found["backlog_bytes"]) == (1, 0)
        assert found["conservation"]["foreign"] == 1
        assert found["conservation"]["queue_unaccounted"] == 0
        assert found["attention"] == ["1 dead letter waits for a decision"]
        running.wait_stored(running.post(**EVENT)["id"])


def test_rows_that_are_refused_with_an_unknown_sqlstate_stop_nothing(
    settings: StorageSettings, engine: sa.Engine
) -> None:
    refuse(engine, "P0001", "guilty")
    with service(settings) as running:
        guilty = running.post(**{**EVENT, "message": "guilty"})
        running.wait_stored(running.post(**EVENT)["id"])
        path = f"/events/{guilty['id']}"
        wait_until(lambda: running.http.get(path).json().get("receipt") == "dead", "a dead letter")
    refuse_nothing(engine)


def test_workers_are_counted_again_once_control_has_lost_its_data(
    settings: StorageSettings,
) -> None:
    with service(settings) as running:
        wait_status(running, lambda found: found["workers"] == 1)
        with redis.Redis.from_url(settings.control_url) as control:
            control.flushall()
        wait_status(running, lambda found: found["workers"] == 1)


def test_a_shard_without_progress_is_named_even_if_no_drain_has_failed(
    settings: StorageSettings,
) -> None:
    """Enqueue jobs that no worker takes: the shard never starts to drain."""
    with service(settings, workers=0) as running:
        with redis.Redis.from_url(settings.control_url) as control:
            control.sadd("rq:workers:drain", "rq:worker:of-another-queue-version")
        running.post(**EVENT)
        found = wait_status(
            running, lambda found: any("stored nothing for" in one for one in found["attention"])
        )
        assert re.search(r"shard \d has stored nothing for \d+ s", as_text(found))
