"""Kill, pause and reshard a queue on a cluster: the service goes on by itself."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import sqlalchemy as sa
from redis.crc import key_slot

from cli.doctor.check import Finding, Verdict
from storage.redis import keys
from storage.redis.client import connect, connect_async
from storage.redis.cluster import ask_primaries
from storage.redis.script_runner import run
from storage.settings import StorageSettings
from testbed.cluster import ClusterNodes, cluster_nodes
from testbed.service import service
from testbed.valkey import Node
from testbed.waiting import wait_until
from tests.faults.chaos.outside import Outside
from tests.support.doctor_bench import findings_of
from tests.support.failovers import (
    HARMS,
    SECONDS,
    FailingOver,
    Harm,
    cut_off,
    failing_over,
    paused,
)
from tests.support.queued import stored_ids
from tests.support.short_chaos import run_briefly

PAUSE_SECONDS = 4.0
EVENT = {"component": "a", "environment": "b", "message": "c"}
TAGS = keys.ON_CLUSTER


@pytest.fixture(scope="module")
def cluster() -> Iterator[ClusterNodes]:
    with cluster_nodes() as found:
        yield found


@pytest.fixture
def clustered(cluster: ClusterNodes, settings: StorageSettings) -> StorageSettings:
    """Return settings with an empty queue on the cluster."""
    wait_until(cluster.is_whole, "every server to have its role", SECONDS)
    for each in cluster.primaries():
        each.ask("FLUSHALL")
    return settings.model_copy(update={"queue_url": cluster.url})


@pytest.fixture
def engine(settings: StorageSettings) -> Iterator[sa.Engine]:
    found = sa.create_engine(settings.database_url)
    yield found
    found.dispose()


def kill_all_of(cluster: ClusterNodes, slot: int) -> list[Node]:
    """Kill a slot's primary and its replica, and let the others forget every script."""
    primary = cluster.primary_of(slot)
    told = primary.ask("INFO", "replication")["slave0"]
    replica = next(each for each in cluster.nodes if each.port == int(told["port"]))
    for each in (replica, primary):
        each.kill()
    for each in cluster.primaries():
        each.ask("SCRIPT", "FLUSH")
    return [primary, replica]


def slot_of(shard: int) -> int:
    return key_slot(keys.stream(TAGS[shard]).encode())


def accepted(settings: StorageSettings) -> list[int]:
    """Return how many events each shard has accepted."""
    with connect(settings.queue_url) as client:
        states = [keys.state(TAGS[shard]) for shard in range(settings.shards)]
        return [int(client.hget(name, "accepted") or 0) for name in states]


def busiest(
    cluster: ClusterNodes, settings: StorageSettings, before: Sequence[int] | None = None
) -> Node:
    """Return the primary of the shard that has accepted most, or most since `before`."""
    counts = zip(accepted(settings), before or [0] * settings.shards, strict=True)
    grown = [now - earlier for now, earlier in counts]
    return cluster.primary_of(slot_of(grown.index(max(grown))))


def test_a_killed_primary_is_replaced_and_what_follows_is_stored_once(
    clustered: StorageSettings, cluster: ClusterNodes, engine: sa.Engine
) -> None:
    with failing_over(clustered) as tried:
        first = busiest(cluster, clustered)
        first.kill()
        tried.wait_accepted()
        wait_until(lambda: len(cluster.primaries()) == 3, "another primary", SECONDS)
        first.start()
        tried.accept_steadily(cluster.roles, cluster.is_whole)
        tried.finish(engine, cluster.is_whole)


def test_a_primary_that_wakes_up_after_its_failover_doubles_nothing(
    clustered: StorageSettings, cluster: ClusterNodes, engine: sa.Engine
) -> None:
    with failing_over(clustered) as tried:
        first, began = busiest(cluster, clustered), time.monotonic()
        others = [each for each in cluster.nodes if each is not first]
        first.pause()
        wait_until(
            lambda: sum(each.role() == "master" for each in others) == 3, "another one", SECONDS
        )
        wait_until(lambda: time.monotonic() > began + PAUSE_SECONDS, "the end of the pause")
        first.resume()
        tried.accept_steadily(cluster.roles, cluster.is_whole)
        tried.finish(engine, cluster.is_whole, two_primaries=True)


@pytest.mark.parametrize("shard", [0, 3])
def test_a_shard_without_any_server_stops_no_other(
    clustered: StorageSettings, cluster: ClusterNodes, engine: sa.Engine, shard: int
) -> None:
    killed = kill_all_of(cluster, slot_of(shard))
    with service(clustered, probe="/health") as running:

        def post() -> str:
            return str(running.http.post("/events", json=EVENT).json().get("id", ""))

        ids = [wait_until(post, "a shard that takes events", SECONDS) for _ in range(4)]
        wait_until(lambda: set(ids) <= set(stored_ids(engine)), "the events to be stored", SECONDS)
        for each in killed:
            each.start()
        wait_until(cluster.is_whole, "the cluster to be whole", SECONDS)
        wait_until(lambda: running.http.get("/status").json()["queue"], "every shard", SECONDS)


def test_slots_move_under_load_and_every_acknowledged_event_is_stored_once(
    clustered: StorageSettings, cluster: ClusterNodes, engine: sa.Engine
) -> None:
    with failing_over(clustered) as tried:
        begun = tried.acknowledged
        for shard in range(clustered.shards):
            move(cluster, slot_of(shard), tried)
        tried.wait_accepted()
        tried.kept += tried.acknowledged[len(begun) :]
        tried.finish(engine, cluster.is_whole)


def move(cluster: ClusterNodes, slot: int, tried: FailingOver) -> None:
    """Move a slot to another primary while events are accepted."""
    target = next(e for e in cluster.primaries() if e is not cluster.primary_of(slot))
    cluster.begin_move(slot, target)
    tried.wait_accepted()
    cluster.move_keys(slot, target)
    tried.wait_accepted()
    cluster.end_move(slot, target)


def test_with_awaited_replicas_nothing_is_lost_or_doubled_and_other_shards_go_on(
    clustered: StorageSettings, cluster: ClusterNodes, engine: sa.Engine
) -> None:
    awaiting = clustered.model_copy(update={"queue_replicas": 1})
    with failing_over(awaiting, workers=0) as tried:
        for harm in HARMS:
            before = accepted(awaiting)
            tried.wait_accepted()
            with harm(cluster, busiest(cluster, awaiting, before)):
                tried.wait_accepted()
            wait_until(cluster.is_whole, "every server to have its role", SECONDS)
        for shard in range(clustered.shards):
            move(cluster, slot_of(shard), tried)
        tried.running.start_worker()
        tried.finish(engine, cluster.is_whole, two_primaries=True)


@pytest.mark.parametrize("harm", [paused, cut_off])
def test_what_a_failover_loses_is_told(
    clustered: StorageSettings, cluster: ClusterNodes, engine: sa.Engine, harm: Harm
) -> None:
    with failing_over(clustered, apis=1, workers=0) as tried:
        with harm(cluster, busiest(cluster, clustered)):
            tried.wait_accepted()
        tried.accept_steadily(cluster.roles, cluster.is_whole)
        tried.running.start_worker()
        tried.finish(engine, cluster.is_whole, two_primaries=True)


def test_calls_follow_a_slot_that_moves(clustered: StorageSettings, cluster: ClusterNodes) -> None:
    slot = slot_of(0)
    target = next(e for e in cluster.primaries() if e is not cluster.primary_of(slot))
    cluster.begin_move(slot, target)
    names = [keys.stream(TAGS[0]), keys.state(TAGS[0]), keys.ids(TAGS[0])]

    async def many() -> list[Any]:
        client = connect_async(clustered.queue_url)
        try:
            # Two connections to each node: redis-py would send ASKING over one of them only.
            await asyncio.gather(*(ask_primaries(client, "PING") for _ in range(2)))
            for number in range(5):
                await client.hset(names[1], f"one {number}", "v")
            calls = [client.hset(names[1], f"f{number}", "v") for number in range(200)]
            await asyncio.gather(*calls)
            return await asyncio.gather(
                *(run(client, "queue/clock", [names[1]]) for _ in range(20))
            )
        finally:
            await client.aclose()

    assert len(asyncio.run(many())) == 20
    with connect(clustered.queue_url) as client:
        assert client.hlen(names[1]) == 205
        cluster.end_move(slot, target)
        assert client.hlen(names[1]) == 205


def test_a_script_outlives_its_connections_and_follows_its_slot(
    clustered: StorageSettings, cluster: ClusterNodes
) -> None:
    slot, name = slot_of(0), keys.state(TAGS[0])
    source = cluster.primary_of(slot)
    target = next(each for each in cluster.primaries() if each is not source)

    async def clocks() -> list[int]:
        client = connect_async(clustered.queue_url)
        try:
            found = [await run(client, "queue/clock", [name])]
            source.ask("CLIENT", "KILL", "TYPE", "normal")
            found.append(await run(client, "queue/clock", [name]))
            cluster.begin_move(slot, target)
            cluster.move_keys(slot, target)
            cluster.end_move(slot, target)
            return [*found, await run(client, "queue/clock", [name])]
        finally:
            await client.aclose()

    assert len(asyncio.run(clocks())) == 3


def test_faults_of_a_queue_that_waits_for_replicas_lose_and_double_nothing(
    clustered: StorageSettings, cluster: ClusterNodes
) -> None:
    names = ["kill -9 a primary of the queue", "pause a primary of the queue"]
    run_briefly("cluster", Outside(cluster, 1), [*names, "move the slot of a shard"])


def queue_failover(settings: StorageSettings) -> Finding:
    found = findings_of(settings)
    for name in ("answers", "version", "aof", "fsync", "eviction", "writes", "memory"):
        assert found[f"queue-{name}"].verdict is Verdict.OK, found
    assert found["clocks"].verdict is Verdict.OK, found
    return found["queue-failover"]


def test_the_doctor_asks_every_primary(clustered: StorageSettings, cluster: ClusterNodes) -> None:
    last = cluster.primaries()[-1]
    assert queue_failover(clustered).verdict is Verdict.OK
    last.ask("CONFIG", "SET", "cluster-require-full-coverage", "yes")
    told = queue_failover(clustered)
    last.ask("CONFIG", "SET", "cluster-require-full-coverage", "no")
    assert told.verdict is Verdict.WARNING
    assert f"-p {last.port} -c CONFIG SET cluster-require-full-coverage no" in told.remedy


def test_the_service_starts_while_a_primary_is_away_and_takes_events(
    clustered: StorageSettings, cluster: ClusterNodes
) -> None:
    first = cluster.primary_of(slot_of(0))
    first.kill()
    with service(clustered, probe="/health") as running:
        wait_until(lambda: running.answers("/health/ready"), "a shard that takes events", SECONDS)
        wait_until(lambda: len(cluster.primaries()) == 3, "a new primary", SECONDS)
        first.start()
        wait_until(cluster.is_whole, "the cluster to be whole", SECONDS)
        running.wait_stored(running.post(**EVENT)["id"])
