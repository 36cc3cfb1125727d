"""Whatever changes the history tells a place in the WAL behind its commit, for standby reads."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace

import pytest
import sqlalchemy as sa

from storage.cache.committed_wal import CommittedWal
from storage.cache.invalidation import CacheInvalidator
from storage.dead_letters import DeadLetters
from storage.model.event import now_ms
from storage.model.wal_position import WalPosition
from storage.postgres.engine import plain_engine
from storage.postgres.wal import written_if_known
from storage.redis.client import connect
from storage.settings import StorageSettings
from tests.support import drain_bench, erasing
from tests.support.drain_bench import Bench
from tests.support.erasing import ErasureBench
from tests.support.queued import add_dead_letter, append, make_event
from tests.support.reading import made
from tests.support.retention import history

bench = drain_bench.bench
erasing_bench = erasing.erasing


@pytest.fixture
def engine(settings: StorageSettings) -> Iterator[sa.Engine]:
    found = plain_engine(settings.database_url)
    yield found
    found.dispose()


@contextmanager
def tells_its_place(settings: StorageSettings, engine: sa.Engine) -> Iterator[None]:
    """Require the block to tell a place in the WAL that was written during it."""
    before = written_if_known(engine)
    yield
    place, after = known(settings), written_if_known(engine)
    assert before
    assert after
    assert place
    assert after.includes(place)
    assert not before.includes(place)


def known(settings: StorageSettings) -> WalPosition | None:
    with closing(CommittedWal(settings.control_url, grace_ms=0)) as committed:
        return committed.position()


def test_a_drain_does_if_readers_use_standbys(
    settings: StorageSettings, engine: sa.Engine, bench: Bench
) -> None:
    append(settings, [make_event("first")])
    with tells_its_place(settings, engine):
        assert bench.drain(replace(bench.worker(), tells_wal=True)) == "done"
    append(settings, [make_event("second")])
    assert bench.drain(bench.worker()) == "done"
    assert known(settings) is None


def test_a_replay_of_a_dead_letter_does(settings: StorageSettings, engine: sa.Engine) -> None:
    add_dead_letter(engine, made(now_ms()))
    with connect(settings.control_url) as control:
        letters = DeadLetters(engine, "day", CacheInvalidator(control))
        with tells_its_place(settings, engine):
            assert letters.replay(letters.newest(1)[0]) is None


def test_retention_does(settings: StorageSettings, engine: sa.Engine) -> None:
    with history(settings) as past, tells_its_place(settings, engine):
        assert past.run(days=5)


def test_an_erasure_does(erasing_bench: ErasureBench, engine: sa.Engine) -> None:
    erasing_bench.store(erasing.history(1))
    erasing_bench.begin()
    with tells_its_place(erasing_bench.settings, engine):
        erasing_bench.finish()
