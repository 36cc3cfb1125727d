"""PostgreSQL unites what processes witness of the queue, and a restore begins anew."""

import asyncio
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from cli.backup import agreement
from storage.errors import NotReplicated
from storage.postgres.engine import witness_engine
from storage.queue.cluster_inspector import inspector_of
from storage.queue.witness import Evidence, Gap
from storage.queue.witness_record import read_evidence, record_evidence, shards_beside
from storage.redis.client import connect, connect_async
from storage.settings import StorageSettings
from tests.support.queued import append, make_events


@pytest.fixture
def engine(settings: StorageSettings) -> Iterator[sa.Engine]:
    found = witness_engine(settings.database_url)
    yield found
    found.dispose()


def test_counts_are_the_highest_and_gaps_are_united_in_any_order(engine: sa.Engine) -> None:
    first = Evidence({0: 100, 1: 7}, {0: 60}, [Gap(0, 70, 100), Gap(2, 0, 3)])
    second = Evidence({0: 120}, {0: 50, 1: 2}, [Gap(0, 75, 120), Gap(0, 200, 201)])
    for some in (first, second, first):
        record_evidence(engine, some)
    found = read_evidence(engine)
    assert found.accepted == {0: 120, 1: 7, 2: 0}
    assert found.trimmed == {0: 60, 1: 2, 2: 0}
    assert sorted(found.gaps) == [Gap(0, 70, 120), Gap(0, 200, 201), Gap(2, 0, 3)]


def compared(settings: StorageSettings, known: int) -> list[int]:
    """Return the counts of the shards, read to compare the first one with what is known of it."""

    async def read() -> list[int]:
        client = connect_async(settings.queue_url)
        try:
            evidence = Evidence({0: known}, {}, [])
            found = await shards_beside(evidence, inspector_of(client, settings))
            return [shard.accepted for shard in found]
        finally:
            await client.aclose()

    return asyncio.run(read())


def test_only_a_count_that_has_fallen_waits_for_the_replicas(settings: StorageSettings) -> None:
    append(settings, make_events(3))
    assert compared(settings, 3) == compared(settings, 10) == [3, 0, 0, 0]
    awaiting = settings.model_copy(update={"queue_replicas": 1})  # and there is none
    assert compared(awaiting, 3) == [3, 0, 0, 0]
    with pytest.raises(NotReplicated):
        compared(awaiting, 10)


def test_a_restore_forgets_what_was_known_of_the_queue_of_before(
    settings: StorageSettings, engine: sa.Engine
) -> None:
    append(settings, make_events(3))
    record_evidence(engine, Evidence({0: 1_000}, {0: 10}, [Gap(0, 20, 30)]))
    with connect(settings.queue_url) as queue:
        agreement._set_counters(engine, queue, 1)
    assert read_evidence(engine) == Evidence({}, {}, [])
