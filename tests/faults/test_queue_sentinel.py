"""Kill and pause the primary of a queue under Sentinels: the service goes on by itself."""

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest
import redis
import sqlalchemy as sa

from cli.doctor.check import Finding, Verdict
from storage.queue.witness_record import read_evidence
from storage.redis.client import connect, connect_async
from storage.settings import StorageSettings
from testbed.sentinels import SentinelSet, sentinel_set
from testbed.service import service
from testbed.waiting import wait_until
from tests.faults.chaos.outside import Outside
from tests.support.doctor_bench import findings_of
from tests.support.failovers import HARMS, SECONDS, Harm, cut_off, failing_over, paused
from tests.support.short_chaos import run_briefly

PAUSE_SECONDS = 4.0
MORE = 20  # events


@pytest.fixture(scope="module")
def sentinels() -> Iterator[SentinelSet]:
    with sentinel_set() as found:
        yield found


@pytest.fixture
def watched(sentinels: SentinelSet, settings: StorageSettings) -> StorageSettings:
    """Return settings with an empty queue under the Sentinels."""
    wait_until(sentinels.is_whole, "every server to have its role", SECONDS)
    with connect(sentinels.url) as client:
        client.flushall()
    return settings.model_copy(update={"queue_url": sentinels.url})


@pytest.fixture
def engine(settings: StorageSettings) -> Iterator[sa.Engine]:
    found = sa.create_engine(settings.database_url)
    yield found
    found.dispose()


def roles(sentinels: SentinelSet) -> list[str]:
    return [each.role() for each in sentinels.servers]


def test_a_killed_primary_is_replaced_and_what_follows_is_stored_once(
    watched: StorageSettings, sentinels: SentinelSet, engine: sa.Engine
) -> None:
    with failing_over(watched) as tried:
        first = sentinels.primary()
        first.kill()
        wait_until(lambda: sentinels.primary() is not first, "another primary", SECONDS)
        tried.wait_accepted()
        first.start()
        tried.accept_steadily(lambda: roles(sentinels), sentinels.is_whole)
        tried.finish(engine, sentinels.is_whole)


def test_a_primary_that_wakes_up_after_its_failover_doubles_nothing(
    watched: StorageSettings, sentinels: SentinelSet, engine: sa.Engine
) -> None:
    with failing_over(watched) as tried, connect(watched.queue_url) as client:
        client.ping()
        first, began = sentinels.primary(), time.monotonic()
        first.pause()
        wait_until(lambda: sentinels.primary() is not first, "another primary", SECONDS)
        wait_until(lambda: time.monotonic() > began + PAUSE_SECONDS, "the end of the pause")
        first.resume()
        wait_until(
            lambda: port_that_writes(client) not in (0, first.port), "the new primary", SECONDS
        )
        tried.accept_steadily(lambda: roles(sentinels), sentinels.is_whole)
        tried.finish(engine, sentinels.is_whole, two_primaries=True)


def test_with_awaited_replicas_no_failover_loses_or_doubles_anything(
    watched: StorageSettings, sentinels: SentinelSet, engine: sa.Engine
) -> None:
    awaiting = watched.model_copy(update={"queue_replicas": 1})
    with failing_over(awaiting, workers=0) as tried:
        for harm in HARMS:
            with harm(sentinels, sentinels.primary()):
                tried.wait_accepted()
            wait_until(sentinels.is_whole, "every server to have its role", SECONDS)
            tried.wait_accepted()
        tried.running.start_worker()
        tried.finish(engine, sentinels.is_whole, two_primaries=True)


def test_a_primary_that_keeps_a_replica_acknowledges_nothing_after_its_failover(
    watched: StorageSettings, sentinels: SentinelSet, engine: sa.Engine
) -> None:
    awaiting = watched.model_copy(update={"queue_replicas": 1})
    with failing_over(awaiting, workers=0) as tried:
        first = sentinels.primary()
        with sentinels.unwatched_with_a_replica(first):
            wait_until(lambda: sentinels.primary() is not first, "another primary", SECONDS)
            tried.wait_refused()
            assert first.role() == "master"
        wait_until(sentinels.is_whole, "every server to have its role", SECONDS)
        tried.wait_accepted()
        tried.running.start_worker()
        tried.finish(engine, sentinels.is_whole, two_primaries=True)


def test_with_a_sentinel_away_events_are_acknowledged_and_a_failover_loses_none(
    watched: StorageSettings, sentinels: SentinelSet, engine: sa.Engine
) -> None:
    awaiting = watched.model_copy(update={"queue_replicas": 1})
    first, away = sentinels.primary(), sentinels.sentinels[0]
    away.kill()
    with failing_over(awaiting, workers=0) as tried:
        wait_until(  # a busy machine may keep a Sentinel waiting, which is then not sure
            lambda: findings_of(awaiting)["queue-replicas"].verdict is Verdict.OK,
            "the doctor to find enough replicas, and Sentinels that are sure",
            SECONDS,
        )
        first.kill()
        tried.wait_accepted()
        first.start()
        away.start()
        wait_until(sentinels.is_whole, "every server to have its role", SECONDS)
        tried.running.start_worker()
        tried.finish(engine, sentinels.is_whole)


@pytest.mark.parametrize("harm", [paused, cut_off])
def test_what_a_failover_loses_is_told(
    watched: StorageSettings, sentinels: SentinelSet, engine: sa.Engine, harm: Harm
) -> None:
    with failing_over(watched, apis=1, workers=0) as tried:
        with harm(sentinels, sentinels.primary()):
            tried.wait_accepted()
        tried.accept_steadily(lambda: roles(sentinels), sentinels.is_whole)
        tried.running.start_worker()
        tried.finish(engine, sentinels.is_whole, two_primaries=True)


def port_that_writes(client: redis.Redis) -> int:
    """Return the port of the server that takes a client's writes, 0 if none does yet."""
    try:
        client.set("probe", 1)
    except redis.ConnectionError:  # the new primary may lack its replica for a moment
        return 0
    return int(client.info("server")["tcp_port"])


def test_what_a_former_primary_goes_on_to_tell_is_no_loss(
    watched: StorageSettings, sentinels: SentinelSet, engine: sa.Engine
) -> None:
    settings = watched.model_copy(update={"queue_replicas": 1})
    with service(settings, workers=0) as running:

        def accepted() -> bool:
            event = {"component": "a", "environment": "b", "message": "c"}
            return running.http.post("/events", json=event).status_code == 202

        def conservation() -> dict[str, Any]:
            return running.http.get("/status").json()["conservation"] or {}

        first = sentinels.primary()
        wait_until(lambda: conservation().get("lost") == 0, "connections to the primary")
        with sentinels.cut_off(first):
            wait_until(lambda: sentinels.primary() is not first, "another primary", SECONDS)
            for _ in range(MORE):
                wait_until(accepted, "an event to be accepted", SECONDS)
            for _ in range(MORE):
                assert not conservation().get("lost")
            assert first.role() == "master"
            wait_until(lambda: conservation().get("accepted", 0) >= MORE, "the new count", SECONDS)
        assert not read_evidence(engine).gaps


def test_faults_of_a_queue_that_waits_for_replicas_lose_and_double_nothing(
    watched: StorageSettings, sentinels: SentinelSet
) -> None:
    names = ["kill -9 a primary of the queue", "pause a primary of the queue"]
    run_briefly("sentinel", Outside(sentinels, 1), names)


def queue_failover(settings: StorageSettings) -> Finding:
    found = findings_of(settings)
    for name in ("answers", "version", "aof", "fsync", "eviction", "writes", "memory"):
        assert found[f"queue-{name}"].verdict is Verdict.OK, found
    return found["queue-failover"]


def test_the_doctor_asks_the_primary_that_the_sentinels_name(
    watched: StorageSettings, sentinels: SentinelSet
) -> None:
    primary = sentinels.primary()
    assert queue_failover(watched).verdict is Verdict.OK
    primary.ask("CONFIG", "SET", "min-replicas-to-write", "0")
    told = queue_failover(watched)
    primary.ask("CONFIG", "SET", "min-replicas-to-write", "1")
    assert told.verdict is Verdict.WARNING
    assert f"-p {primary.port} --askpass CONFIG SET min-replicas-to-write 1" in told.remedy


def test_the_doctor_names_a_sentinel_that_is_away(
    watched: StorageSettings, sentinels: SentinelSet
) -> None:
    assert findings_of(watched)["queue-sentinels"].verdict is Verdict.OK
    away = sentinels.sentinels[0]
    away.kill()
    told = findings_of(watched)["queue-sentinels"]
    away.start()
    assert told.verdict is Verdict.WARNING
    assert f"127.0.0.1:{away.port} (" in told.text


def test_a_primary_that_has_lost_its_replicas_is_asked_for_again(
    watched: StorageSettings, sentinels: SentinelSet
) -> None:
    """It may be one that was cut off, and replaced."""
    primary = sentinels.primary()
    replicas = [each for each in sentinels.servers if each is not primary]

    async def write() -> None:
        client = connect_async(watched.queue_url)
        try:
            await client.set("probe", 1)
        finally:
            await client.aclose()

    with connect(watched.queue_url) as client:
        first = client.client_id()
        for each in replicas:
            each.kill()
        wait_until(
            lambda: primary.ask("INFO", "replication")["connected_slaves"] == 0, "no replica"
        )
        with pytest.raises(redis.ConnectionError, match="too few replicas"):
            client.set("probe", 1)
        assert client.client_id() != first
        with pytest.raises(redis.ConnectionError, match="too few replicas"):
            asyncio.run(write())
        for each in replicas:
            each.start()
        wait_until(sentinels.is_whole, "every server to have its role", SECONDS)
        client.set("probe", 1)


def test_the_service_starts_without_the_queue_and_takes_events_once_it_is_there(
    watched: StorageSettings, sentinels: SentinelSet
) -> None:
    first = sentinels.primary()
    first.kill()
    with service(watched, probe="/health") as running:
        wait_until(lambda: running.answers("/health/ready"), "a new primary", SECONDS)
        first.start()
        running.wait_stored(running.post(component="a", environment="b", message="c")["id"])
