"""PgBouncer in front of PostgreSQL: it works in session mode, and is refused in any other."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
import sqlalchemy as sa

from storage.cache.invalidation import CacheInvalidator
from storage.dead_letters import DeadLetters
from storage.errors import DatabaseUnavailable, DatabaseUnsuitable
from storage.events.writer import BatchWriter
from storage.postgres.engine import plain_engine, reading_engine, transaction, writing_engine
from storage.postgres.migrate import downgrade, upgrade
from storage.settings import StorageSettings
from testbed.servers import environment
from testbed.service import service
from testbed.waiting import wait_until
from tests.support.pgbouncer import pgbouncer, program
from tests.support.queued import add_dead_letter, make_event
from tests.support.retention import history

EVENT = {"component": "c", "environment": "e", "message": "needle"}

pytestmark = pytest.mark.skipif(program() is None, reason="pgbouncer is not installed")


@pytest.fixture
def folder() -> Iterator[Path]:
    found = Path(tempfile.mkdtemp(prefix="pgbouncer-"))
    yield found
    shutil.rmtree(found)


@pytest.fixture
def pooled(settings: StorageSettings, folder: Path) -> Iterator[StorageSettings]:
    """PostgreSQL through a pooler in session mode."""
    with pgbouncer(folder, settings.database_url, "session") as url:
        yield settings.model_copy(update={"database_url": url})


POOLERS = [
    ("transaction", {}),
    ("transaction", {"ignore_startup_parameters": "options"}),
    ("transaction", {"server_round_robin": 1, "default_pool_size": 3, "min_pool_size": 3}),
    ("transaction", {"default_pool_size": 1}),
    ("statement", {}),
]


@pytest.mark.parametrize(("mode", "more"), POOLERS)
def test_a_pooler_that_shares_sessions_is_refused_with_the_remedy(
    settings: StorageSettings, folder: Path, mode: str, more: dict[str, object]
) -> None:
    with pgbouncer(folder, settings.database_url, mode, **more) as url:
        for engine in (plain_engine(url), reading_engine(url, 2), writing_engine(url)):
            with pytest.raises(DatabaseUnsuitable, match="pool_mode=session"), transaction(engine):
                pass
            engine.dispose()
        with pytest.raises(DatabaseUnsuitable, match="pool_mode=session"):
            upgrade(url)


def test_a_worker_behind_such_a_pooler_ends_with_the_reason_and_history_is_not_ready(
    settings: StorageSettings, folder: Path
) -> None:
    with pgbouncer(folder, settings.database_url, "transaction") as url:
        shared = settings.model_copy(update={"database_url": url})
        for command in (["-m", "worker"], ["-m", "cli.main", "worker"]):
            ended = subprocess.run(
                [sys.executable, *command],
                env=environment(shared),
                capture_output=True,
                text=True,
                timeout=60,
            )
            assert ended.returncode == 1
            assert "pool_mode=session" in ended.stderr
            assert "Traceback" not in ended.stderr
        with service(shared, workers=0) as running:
            running.post(**EVENT)
            ready = running.http.get("/health/ready?for=query")
            assert ready.status_code == 503
            assert "pool_mode=session" in ready.json()["dependencies"]["database"]["detail"]


def test_through_a_pooler_in_session_mode_every_setting_is_in_force(
    pooled: StorageSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGOPTIONS", "-c statement_timeout=1")  # which a pooler refuses
    engine = reading_engine(pooled.database_url, 1)
    with transaction(engine) as connection:
        found = {
            name: connection.exec_driver_sql(f"SHOW {name}").scalar()
            for name in ("transaction_isolation", "transaction_read_only", "statement_timeout")
        }
    engine.dispose()
    assert found == {
        "transaction_isolation": "repeatable read",
        "transaction_read_only": "on",
        "statement_timeout": "10s",
    }


def test_through_a_pooler_in_session_mode_the_whole_service_works(
    pooled: StorageSettings,
) -> None:
    downgrade(pooled.database_url, "base")
    upgrade(pooled.database_url)
    with service(pooled, cache_grace_ms=0) as running:
        for n in range(30):
            running.post(**EVENT, data={"n": n})
        wait_until(lambda: running.http.get("/status").json()["backlog"] == 0, "storing", 60)
        assert len(running.events(message="NEEDLE", **{"data.n": "7"})) == 1
        assert len(running.events()) == 30
        assert running.http.get("/health/ready?for=query").status_code == 200
        assert running.http.get("/status").json()["conservation"]["balanced"] is True


def test_through_a_pooler_in_session_mode_a_stale_drain_is_terminated(
    pooled: StorageSettings,
) -> None:
    engines = [writing_engine(pooled.database_url) for _ in range(2)]
    stale, next_one = (BatchWriter(engine, "day") for engine in engines)

    def commit_late() -> None:
        with stale.batch(0, 1) as batch:
            next_one.terminate_stale_sessions(0)
            with next_one.batch(0, 2):
                pass
            batch.insert([make_event()])

    with pytest.raises(DatabaseUnavailable):
        commit_late()
    for engine in engines:
        engine.dispose()


def test_through_a_pooler_in_session_mode_replays_take_turns(pooled: StorageSettings) -> None:
    engine = plain_engine(pooled.database_url)
    letter = make_event()
    add_dead_letter(engine, letter)
    with redis.Redis.from_url(pooled.control_url) as control:
        letters = DeadLetters(engine, "day", CacheInvalidator(control))
        assert letters.replay(letters.newest(1)[0]) is None
    with transaction(engine) as connection:
        assert (
            connection.scalar(sa.text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"))
            == 0
        )
    engine.dispose()


def test_retention_works_through_a_pooler_in_session_mode(pooled: StorageSettings) -> None:
    """Its lock, and what it detaches, belong to a session."""
    with history(pooled, 5) as world:
        run = world.run(days=2)
        assert run is not None
        assert len(run.removed) == 2
        assert world.stored() == list(world.days[2:])
        assert world.end_state()["unfinished"] == []
