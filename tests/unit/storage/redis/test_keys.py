"""The names of the queue's keys on one server, and on a cluster."""

from collections import Counter

import pytest
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

from storage.redis import keys
from storage.redis.client import connect
from storage.redis.keys import Tag
from storage.settings import MAX_SHARDS

ONE, CLUSTER = connect("redis://localhost"), connect("redis+cluster://localhost")


def slot(name: str) -> int:
    return key_slot(name.encode())


def names_of(tag: Tag) -> list[str]:
    return [
        keys.stream(tag),
        keys.state(tag),
        keys.ids(tag),
        keys.tombstones(tag),
        keys.idempotency_record(tag, b"x"),
        keys.idempotency_expiry(tag),
        keys.shard_count(tag),
        keys.probe(tag),
    ]


def test_on_one_server_the_names_are_those_of_every_earlier_version() -> None:
    assert list(keys.tags(ONE)) == list(range(MAX_SHARDS))
    assert keys.stream(keys.tags(ONE)[3]) == "events:{3}"
    assert keys.api_key_names(ONE) == ("keys", "keys:version", "keys:audit")


def test_on_a_cluster_the_names_never_change() -> None:
    assert keys.stream(keys.tags(CLUSTER)[0]) == "events:{0-310}"
    assert keys.stream(keys.tags(CLUSTER)[MAX_SHARDS - 1]) == "events:{63-751}"
    assert sum(slot(keys.stream(tag)) for tag in keys.tags(CLUSTER)) == 522_112


def test_what_one_script_needs_is_in_one_slot() -> None:
    for tag in keys.tags(CLUSTER):
        assert len({slot(name) for name in names_of(tag)}) == 1
    assert len({slot(name) for name in keys.api_key_names(CLUSTER)}) == 1


@pytest.mark.parametrize("primaries", [2, 3, 4, 5, 6, 8])
def test_any_number_of_shards_spreads_evenly_over_the_primaries(primaries: int) -> None:
    for shards in range(1, MAX_SHARDS + 1):
        slots = [slot(keys.stream(tag)) for tag in keys.tags(CLUSTER)[:shards]]
        held = Counter(each * primaries // REDIS_CLUSTER_HASH_SLOTS for each in slots)
        counts = [held[primary] for primary in range(primaries)]
        assert max(counts) - min(counts) <= (1 if shards < 30 else 2), (shards, counts)
