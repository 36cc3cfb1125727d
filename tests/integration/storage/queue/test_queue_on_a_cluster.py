"""What the service asks of the queue works on a cluster too, whose keys are on several servers."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from secrets import token_hex
from uuid import uuid4

import httpx
import pytest
import redis
from redis.crc import key_slot

from api.ingest.idempotency import digest
from cli.doctor.check import Verdict
from storage.access.api_key import ApiKey, Scope
from storage.access.audit import AuditLine
from storage.access.key_queue import KeyQueue
from storage.access.pending_audit import pending_lines
from storage.erasure.forgetting import LogRewrite
from storage.model.erasing import Address, Tombstone
from storage.queue import counters
from storage.queue.cluster_inspector import ClusterInspector
from storage.queue.producer import IdempotencyRecord
from storage.queue.tombstones import QueueTombstones
from storage.queue.witness import Evidence
from storage.queue.witness_record import shards_beside
from storage.redis import keys
from storage.redis.client import connect, connect_async
from storage.settings import StorageSettings
from testbed.cluster import ClusterNodes, cluster_nodes
from testbed.service import service
from testbed.valkey import Node
from testbed.waiting import wait_until
from tests.support.doctor_bench import findings_of

SHARDS = 6
EVENT = {"component": "a", "environment": "b", "message": "c"}
OLD = {**EVENT, "created_at": "2024-05-01T00:00:00Z"}


@pytest.fixture(scope="module")
def cluster() -> Iterator[ClusterNodes]:
    with cluster_nodes() as found:
        yield found


@pytest.fixture
def clustered(cluster: ClusterNodes, settings: StorageSettings) -> StorageSettings:
    wait_until(cluster.is_whole, "every server to have its role", 120)
    for each in cluster.primaries():
        each.ask("FLUSHALL")
    return settings.model_copy(update={"queue_url": cluster.url, "shards": SHARDS})


@pytest.fixture
def queue(clustered: StorageSettings) -> Iterator[redis.Redis]:
    with connect(clustered.queue_url) as client:
        yield client


def test_events_of_every_shard_are_found_repeated_counted_and_stored(
    clustered: StorageSettings,
) -> None:
    headers = [{"idempotency-key": token_hex()} for _ in range(20)]
    with service(clustered, workers=0) as running:
        first = [running.http.post("/events", json=EVENT, headers=each) for each in headers]
        again = [running.http.post("/events", json=EVENT, headers=each) for each in headers]
        ids = [answer.json()["id"] for answer in first]
        assert [answer.json()["id"] for answer in again] == ids
        assert {running.http.get(f"/events/{one}").json()["receipt"] for one in ids} == {"queued"}
        status = running.http.get("/status").json()
        assert (status["queue"], status["backlog"]) == (
            {"durability": "checked", "replicas": 1, "replicas_awaited": 0},
            20,
        )
        assert len([shard for shard in status["shards"] if shard["backlog"]]) > 1
        running.start_worker()
        for one in ids:
            running.wait_stored(one)
        assert running.http.post("/events?ack=stored", json=EVENT).status_code == 201
        line = '{"created_at": "2020-01-01T00:00:00Z", "component": "a", "environment": "b"'
        body = f'{line}, "message": "m"}}'
        path, types = "/events/batch?import=true", {"content-type": "application/x-ndjson"}
        answers = [running.http.post(path, content=body, headers=types) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [202, 202], answers[0].text


def test_a_shard_whose_replica_is_behind_acknowledges_nothing_and_the_others_go_on(
    clustered: StorageSettings, cluster: ClusterNodes
) -> None:
    awaiting = clustered.model_copy(update={"queue_replicas": 1})
    headers = {"idempotency-key": key_of_shard(0)}
    imported = "/events/batch?import=true"
    with service(awaiting, workers=0) as running:
        assert queue_replicas(awaiting) is Verdict.OK
        with replica_paused(cluster, 0):
            for _ in range(2):  # the second one finds its record
                refused = running.http.post("/events", json=EVENT, headers=headers)
                assert refused.status_code == 503, refused.text
                assert "Too few replicas of the queue have confirmed" in refused.text
            answers = [
                running.http.post(imported, json=[{**OLD, "import_id": str(number)}]).status_code
                for number in range(2 * SHARDS)
            ]
            assert answers[-1] == 202, answers
            assert running.answers("/health/ready")
            status = running.http.get("/status").json()
            assert status["queue"]["replicas_awaited"] == 1
            assert re.search("no event of [1-5] of 6 shards is ack", str(status["attention"]))
            assert queue_replicas(awaiting) is Verdict.FAULT

        def repeat() -> httpx.Response | None:
            again = running.http.post("/events", json=EVENT, headers=headers)
            return again if again.status_code == 202 else None

        again = wait_until(repeat, "the repeated request to be acknowledged")
        assert again
        assert again.headers["idempotency-replayed"] == "true"
    with connect(clustered.queue_url) as client:
        accepted = [
            int(client.hget(keys.state(tag), "accepted") or 0) for tag in keys.ON_CLUSTER[:SHARDS]
        ]
    assert sum(accepted) == 1 + 2 * SHARDS


def key_of_shard(shard: int) -> str:
    """Return an idempotency key that belongs to a shard."""
    return next(
        key
        for key in map(str, range(1000))
        if IdempotencyRecord(digest(key.encode()), b"", b"").shard(SHARDS) == shard
    )


def queue_replicas(settings: StorageSettings) -> Verdict:
    return findings_of(settings)["queue-replicas"].verdict


@contextmanager
def replica_paused(cluster: ClusterNodes, shard: int) -> Iterator[None]:
    """Pause the replica of the primary that has a shard."""
    primary = cluster.primary_of(key_slot(keys.stream(keys.ON_CLUSTER[shard]).encode()))
    port = int(primary.ask("INFO", "replication")["slave0"]["port"])
    replica = next(each for each in cluster.nodes if each.port == port)
    replica.pause()
    try:
        yield
    finally:
        replica.resume()


def test_api_keys_and_their_audit_lines_are_written_in_one_step(queue: redis.Redis) -> None:
    key = ApiKey(
        "3kTMd9fa",
        bytes(32),
        created_at=datetime.now(UTC),
        name="n",
        scopes=frozenset({Scope.READ}),
    )
    store, line = KeyQueue(queue), AuditLine("me", "keys create", key.id)
    store.merge({key.id: key}, line)
    version, found = store.load()
    assert (found.keys, store.version()) == ({key.id: key}, version)
    assert [each.action for each in pending_lines(queue)] == ["keys create"]


def test_tombstones_reach_every_shard(queue: redis.Redis) -> None:
    stones = QueueTombstones(queue, SHARDS)
    stone = Tombstone(uuid4(), Address.of("jo@example.com"), stones.now_ms() + 1)
    for shard in stones.shards():
        assert stones.put(shard, stone, 0) > 0
    assert stones.find(stone.erasure) == dict.fromkeys(range(SHARDS), stone)
    assert stones.waiting(stone.before_ms) == 0
    stones.remove(stone.erasure)
    assert stones.find(stone.erasure) == {}


def test_every_kind_of_command_may_be_the_first_of_a_client(clustered: StorageSettings) -> None:
    names = [keys.stream(tag) for tag in keys.ON_CLUSTER[:2]]
    with connect(clustered.queue_url) as client:
        assert client.exists(*names) == 0
    with connect(clustered.queue_url) as client, client.pipeline() as pipe:
        pipe.xlen(names[0])
        assert pipe.execute() == [0]
    with connect(clustered.queue_url) as client:
        assert not hasattr(client, "no_such_name")


def test_the_log_of_each_primary_is_rewritten_for_an_erasure(
    cluster: ClusterNodes, queue: redis.Redis
) -> None:
    rewrite, erasure = LogRewrite(queue), uuid4()
    before = {each.port: _rewrites(each) for each in cluster.primaries()}
    wait_until(lambda: rewrite.is_done(erasure), "the rewrites to be done")
    assert all(_rewrites(each) > before[each.port] for each in cluster.primaries())


def _rewrites(node: Node) -> int:
    return int(node.ask("INFO", "persistence")["aof_rewrites"])


def test_counters_are_set_after_a_restore_and_keys_forgotten(queue: redis.Redis) -> None:
    counters.announce_shards(queue, SHARDS)
    assert counters.shards_of(queue, 1) == SHARDS
    for shard, tag in enumerate(keys.tags(queue)[:SHARDS]):
        position = f"{counters.now_ms(queue, keys.stream(tag)) + 30_000}-7"
        counters.continue_ids(queue, shard, position)
        counters.agree_with_ledger(queue, shard, 5 + shard, position)
        queue.set(keys.idempotency_record(tag, b"x"), "record")
        assert counters.backlog(queue, shard) == 0
    assert counters.accepted_counts(queue, SHARDS) == {n: 5 + n for n in range(SHARDS)}
    assert counters.forget_idempotency_keys(queue) == SHARDS


def test_counts_that_have_fallen_are_read_again_where_a_replica_confirms(
    clustered: StorageSettings,
) -> None:
    async def read() -> list[int]:
        client = connect_async(clustered.queue_url)
        try:
            awaiting = ClusterInspector(client, SHARDS, awaited=1)
            found = await shards_beside(Evidence({0: 10}, {}, []), awaiting)
            return [shard.accepted for shard in found]
        finally:
            await client.aclose()

    assert asyncio.run(read()) == [0] * SHARDS
