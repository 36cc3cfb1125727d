"""Test what `GET /metrics` tells of the servers: true figures, and nothing that is unknown."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from storage.access.api_key import Scope
from storage.settings import StorageSettings
from testbed.service import Service, service
from testbed.waiting import wait_until
from tests.support.keys import client, new_key, put_on_queue
from tests.support.relayed import RelayedServers, relayed_servers
from tests.support.scraped import Scrape, scrape

EVENT = {"component": "c", "environment": "e", "message": "m"}


def test_a_prefix_of_a_proxy_is_no_part_of_the_route(settings: StorageSettings) -> None:
    with service(settings, workers=0, probe="/health", root_path="/activity") as running:
        running.http.post("/activity/events", json=EVENT)
        running.http.post("/activity/events?ack=queued", json=EVENT)
        running.http.get("/activity/status")
        found = scrape(running.http).by("activity_http_requests_total", "method", "route")
        assert found["POST", "/events"] == 2
        assert found["GET", "/status"] == 1
        assert ("GET", "unmatched") not in found


def test_events_that_a_full_or_absent_queue_refuses_are_counted(
    settings: StorageSettings,
) -> None:
    with service(settings, workers=0, backlog_events=64) as running:
        for _ in range(64):
            running.post(**EVENT)
        before = scrape(running.http)
        assert running.http.post("/events", json=EVENT).status_code == 503
        assert running.http.post("/events/batch", json=[EVENT, EVENT, {}]).status_code == 503
        rise = scrape(running.http).rise(before, "activity_rejected_events_total", "reason")
        assert rise == {("backlog_full",): 3, ("invalid",): 1}


def test_events_that_a_key_may_not_post_are_counted(settings: StorageSettings) -> None:
    writer, reader = (
        new_key(components=("c",)),
        new_key(Scope.READ, Scope.OBSERVE, expires_at=datetime.now(UTC) + timedelta(days=1)),
    )
    put_on_queue(settings, writer, reader)
    with (
        service(settings, workers=0, probe="/health/ready", auth="required") as running,
        client(running, writer) as writes,
        client(running, reader) as reads,
    ):
        wait_until(lambda: reads.get("/metrics").status_code == 200, "the keys")
        left = scrape(reads).by("activity_key_expiry_seconds", "id")
        assert left.keys() == {(reader.key.id,)}
        assert 80_000 < left[reader.key.id,] <= 86_400
        assert running.http.get("/metrics").status_code == 401
        before = scrape(reads)
        assert running.http.post("/events", json=EVENT).status_code == 401
        assert reads.post("/events/batch", json=[EVENT, EVENT]).status_code == 403
        assert writes.post("/events", json={**EVENT, "component": "d"}).status_code == 403
        outside = [EVENT, {**EVENT, "component": "d"}, {}]
        assert writes.post("/events/batch", json=outside).json()["rejected"] == 2
        rise = scrape(reads).rise(before, "activity_rejected_events_total", "reason")
        assert rise == {("unauthorized",): 1, ("forbidden",): 3, ("invalid",): 1}


def test_what_the_queue_and_postgresql_have_counted_is_shown(settings: StorageSettings) -> None:
    with service(settings) as running:
        for _ in range(20):
            running.post(**EVENT)
        running.http.post("/events/batch", json=[EVENT] * 30)

        def stored() -> Scrape | None:
            found = scrape(running.http)
            total = sum(found.by("activity_stored_events_total", "shard").values())
            return found if total == 50 else None

        found = wait_until(stored, "50 stored events")
        assert found is not None
        assert sum(found.by("activity_accepted_events_total", "shard").values()) == 50
        assert found["activity_unaccounted_events"] == 0
        assert found["activity_workers"] == 1
        assert found["activity_backlog_limit_events"] == 2_000_000
        assert found["activity_queue_aof_ok"] == 1
        assert found["activity_dead_letters"] == found["activity_dead_events_total"] == 0
        assert set(found.by("activity_server_up", "server").values()) == {1}
        assert 0 < found["activity_partitions_ahead_seconds"] <= 86_400  # no maintenance runs
        assert found["activity_database_bytes"] > 1_000_000
        oldest = running.events(order="asc")[0]
        assert found["activity_oldest_event_timestamp_seconds"] > 1_500_000_000
        assert str(oldest["created_at"]).startswith("20")
        assert found.by("activity_process_resident_bytes", "role")["api",] > 10_000_000
        assert found["activity_group_commit_events_sum"] == 50
        assert found["activity_queue_append_seconds_count"] >= 2


def test_without_a_worker_the_backlog_and_its_lag_are_shown(settings: StorageSettings) -> None:
    with service(settings, workers=0) as running:
        for _ in range(10):
            running.post(**EVENT)

        def waits() -> Scrape | None:
            found = scrape(running.http)
            return found if max(found.by("activity_lag_seconds", "shard").values()) > 0 else None

        found = wait_until(waits, "a lag")
        assert found is not None
        assert sum(found.by("activity_backlog_events", "shard").values()) == 10
        assert found["activity_backlog_bytes"] > 1000
        assert found["activity_workers"] == 0
        assert "activity_oldest_event_timestamp_seconds" not in found


@pytest.fixture
def relayed(settings: StorageSettings) -> Iterator[tuple[Service, RelayedServers]]:
    with relayed_servers(settings) as servers, service(servers.settings, workers=0) as running:
        running.post(**EVENT)
        wait_until(lambda: "activity_unaccounted_events" in scrape(running.http), "every figure")
        yield running, servers


OF_SERVER = {
    "queue": {
        "activity_accepted_events_total",
        "activity_backlog_events",
        "activity_backlog_bytes",
        "activity_lag_seconds",
        "activity_shard_paused",
        "activity_queue_aof_ok",
    },
    "control": {"activity_workers"},
    "postgres": {
        "activity_duplicate_events_total",
        "activity_dead_events_total",
        "activity_dead_letters",
        "activity_partitions_ahead_seconds",
        "activity_database_bytes",
    },
}
NAMES = {"queue": "queue", "control": "control", "postgres": "database"}


def left_out(found: Scrape) -> set[str]:
    """Return the roles of the servers of which nothing is shown."""
    shown = found.families.keys()
    assert all(not names & shown or names <= shown for names in OF_SERVER.values())
    return {role for role, names in OF_SERVER.items() if not names & shown}


@pytest.mark.parametrize("role", OF_SERVER)
def test_what_a_server_that_is_away_would_tell_is_left_out(
    role: str, relayed: tuple[Service, RelayedServers]
) -> None:
    running, servers = relayed
    assert left_out(scrape(running.http)) == set()
    servers.take_away(role)
    found = wait_until(
        lambda: found if left_out(found := scrape(running.http)) == {role} else None, "its absence"
    )
    assert found is not None
    up = found.by("activity_server_up", "server")
    assert {name for (name,), value in up.items() if not value} == {NAMES[role]}
    assert ("activity_unaccounted_events" in found) is (role == "control")
    assert "activity_http_requests_total" in found.families
    servers.bring_back(role)
    wait_until(lambda: not left_out(scrape(running.http)), "its return")


@pytest.mark.parametrize("role", OF_SERVER)
def test_a_server_that_hangs_delays_no_figure_of_another(
    role: str, relayed: tuple[Service, RelayedServers]
) -> None:
    running, servers = relayed
    servers.mute(role)
    found = wait_until(
        lambda: found if left_out(found := scrape(running.http)) == {role} else None, "its absence"
    )
    assert found is not None
    assert found.by("activity_server_up", "server")[NAMES[role],] == 0
    answers = [scrape(running.http) for _ in range(5)]  # none starts a call that hangs, too
    assert all(left_out(answer) == {role} for answer in answers)


def test_scrapes_at_the_same_time_share_one_reading(
    settings: StorageSettings,
) -> None:
    with (
        relayed_servers(settings) as servers,
        service(servers.settings, workers=0) as running,
        httpx.Client(base_url=running.url, timeout=60, trust_env=False) as other,
    ):
        wait_until(lambda: "activity_unaccounted_events" in scrape(running.http), "every figure")
        servers.mute("postgres")
        scrape(running.http)
        with ThreadPoolExecutor(8) as threads:
            found = list(threads.map(lambda _: scrape(other), range(16)))
        assert all("activity_accepted_events_total" in one for one in found)
        assert running.http.get("/health").status_code == 200
