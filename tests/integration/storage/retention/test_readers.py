"""Retention beside readers and writers: nobody waits for a long reader, and he keeps what he sees.

No seconds are judged: all others have a limit for their waits for locks, and while the reader
reads, nobody but retention waits for him.
"""

import re
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from storage.errors import DatabaseUnavailable
from storage.model.event import now_ms
from storage.model.filters import Filters
from storage.postgres import partitions
from storage.postgres.engine import plain_engine, transaction
from storage.postgres.partitions import name_of
from storage.redis.client import connect
from storage.retention import belongings, removal
from storage.retention.detaching import Place, place_of
from storage.retention.holds import LegalHolds
from storage.retention.plan import Policy
from storage.retention.run import run_retention
from storage.settings import StorageSettings
from testbed.waiting import wait_until
from tests.support.reading import made, reader, store
from tests.support.retention import DAY, History, history

WAITING = """
    SELECT pid, pg_blocking_pids(pid) AS blockers FROM pg_stat_activity
    WHERE datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0
"""
LIMIT = "SET LOCAL lock_timeout = '20s'"  # the reader reads on for longer
EVERYTHING = "SELECT count(*) FROM events"


@pytest.fixture
def world(settings: StorageSettings) -> Iterator[History]:
    with history(settings, 5) as found:
        yield found


@contextmanager
def reading(
    world: History, statement: str = "SELECT count(*) FROM events"
) -> Iterator[sa.Connection]:
    """Keep a transaction open that has read everything; commit at the end of the block."""
    engine = plain_engine(world.settings.database_url)
    with engine.execution_options(isolation_level="REPEATABLE READ").begin() as connection:
        connection.exec_driver_sql(statement)
        yield connection
    engine.dispose()


def pid(connection: sa.Connection) -> int:
    return int(connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())


class Others:
    """Programs that read, write and make partitions; each wait for a lock has a limit."""

    def __init__(self, world: History) -> None:
        self._world = world
        self._stop = threading.Event()
        self._steps = {
            "read": self._read,
            "write": self._write,
            "make partitions": self._make_partition,
        }
        self.counts = dict.fromkeys(self._steps, 0)
        self.failures: list[str] = []
        self._threads = [
            threading.Thread(target=self._repeat, args=(step,)) for step in self.counts
        ]

    def __enter__(self) -> "Others":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(120)

    def all_go_on(self) -> None:
        """Wait until each of them has worked three more times."""
        wanted = {name: count + 3 for name, count in self.counts.items()}
        wait_until(
            lambda: (
                self.failures or all(self.counts[name] >= count for name, count in wanted.items())
            ),
            "everybody to go on",
            120,
        )
        assert self.failures == []

    def _repeat(self, step: str) -> None:
        engine = plain_engine(self._world.settings.database_url)
        while not self._stop.is_set() and not self.failures:
            try:
                with transaction(engine) as connection:
                    connection.exec_driver_sql(LIMIT)
                    self._steps[step](connection)
            except Exception as error:  # noqa: BLE001
                self.failures.append(f"{step}: {error!r}")
            self.counts[step] += 1
            self._stop.wait(0.01)
        engine.dispose()

    def _read(self, connection: sa.Connection) -> None:
        connection.exec_driver_sql("SELECT * FROM events ORDER BY created_at DESC, id LIMIT 10")

    def _write(self, connection: sa.Connection) -> None:
        connection.exec_driver_sql(
            "INSERT INTO events (created_at, id, component, environment, message) "
            "VALUES (now(), gen_random_uuid(), 'c', 'e', 'm')"
        )

    def _make_partition(self, connection: sa.Connection) -> None:
        later = self._world.days[-1] + (10 + self.counts["make partitions"]) * DAY
        partitions.ensure(connection, [later], "day")


def test_nobody_waits_for_a_reader_and_he_still_sees_what_he_saw(
    world: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removal, "LIMIT_SECONDS", 600.0)
    waits: list[tuple[int, list[int]]] = []
    with closing(connect(world.settings.control_url)) as control, reading(world) as slow:
        engine = plain_engine(world.settings.database_url, pool=2)
        running = threading.Thread(
            target=run_retention,
            args=(engine, control, Policy(3)),
            kwargs={"is_confirmed": True},
        )
        first = name_of((world.days[0], world.days[1]))
        with Others(world) as others:
            others.all_go_on()
            running.start()
            wait_until(lambda: world.stored()[0] == world.days[1], "nobody to see it", 120)
            for _ in range(3):
                others.all_go_on()
                waits += [(row.pid, list(row.blockers)) for row in world.rows(WAITING)]
            for_reader = {waiting for waiting, blockers in waits if pid(slow) in blockers}
            of_retention = world.rows(
                "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND objid::int4 "
                "= hashtext('activity retention')"
            )
            assert for_reader <= {row.pid for row in of_retention}
            assert first in world.tables()
            count = slow.exec_driver_sql(
                "SELECT count(*) FROM events WHERE created_at < '" + str(world.days[1]) + "'"
            ).scalar()
            assert count == 3
            slow.commit()
            running.join(120)
            assert not running.is_alive()
            assert others.failures == []
        assert first not in world.tables()
        engine.dispose()


def test_a_direct_reader_of_a_partition_delays_only_its_drop(
    world: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removal, "LIMIT_SECONDS", 0.0)
    name = name_of((world.days[0], world.days[1]))
    with reading(world, f"SELECT count(*) FROM {name}"), Others(world) as others:
        run = world.run(days=2)
        assert run is not None
        assert [one.name for one in run.left] == [name]
        others.all_go_on()
    again = world.run(days=2)
    assert again is not None
    assert name in [one.name for one in again.removed]
    assert world.stored()[0] == world.days[2]


def test_a_hold_that_comes_while_a_partition_is_leaving_brings_it_back(
    world: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removal, "LIMIT_SECONDS", 0.0)
    with reading(world):
        run = world.run(days=3)
        assert run is not None
        (left,) = run.left
        with world.engine.connect() as connection:
            assert place_of(connection, left.oid, left.name) is Place.LEAVING
    LegalHolds(world.engine).add("case", world.days[0], world.days[1])
    monkeypatch.setattr(removal, "LIMIT_SECONDS", 60.0)
    world.run(days=3)
    assert world.stored() == list(world.days)
    assert world.end_state()["unfinished"] == []
    plans = world.rows("SELECT indexrelid FROM pg_index WHERE NOT indisvalid")
    assert plans == []


def test_a_hold_brings_a_partition_back_that_is_read_and_nobody_waits_for_that(
    world: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As while `pg_dump` reads a table that is no partition any more."""

    def killed(*_: object) -> None:
        raise InterruptedError

    with monkeypatch.context() as patched:
        patched.setattr(belongings, "forget_ngrams", killed)
        with pytest.raises(InterruptedError):
            world.run(days=3)
    name = name_of((world.days[0], world.days[1]))
    assert name in world.tables()
    assert world.days[0] not in world.partitions()
    LegalHolds(world.engine).add("case", world.days[0], world.days[1])
    monkeypatch.setattr(removal, "LIMIT_SECONDS", 0.0)
    with reading(world, f"SELECT count(*) FROM {name}"), Others(world) as others:
        running = threading.Thread(target=world.run, args=(3,))
        running.start()
        running.join(120)
        assert not running.is_alive(), "the run waits for the reader, and others for the run"
        others.all_go_on()
    world.run(days=3)
    assert world.stored() == list(world.days)
    assert world.end_state()["unfinished"] == []


def test_each_statement_that_may_wait_for_a_reader_waits_for_a_moment_only(
    world: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever comes later waits behind it: so that is how long anybody waits at most."""
    limits: dict[str, str] = {}

    def note(connection: Any, _: Any, statement: str, *__: Any) -> None:
        change = re.search("CONCURRENTLY|FINALIZE|ATTACH PARTITION|DROP TABLE", statement)
        if change:
            with connection.connection.cursor() as cursor:
                cursor.execute("SHOW lock_timeout")
                limits[change[0]] = cursor.fetchone()[0]

    monkeypatch.setattr(removal, "LIMIT_SECONDS", 0.0)
    sa.event.listen(world.engine, "before_cursor_execute", note)
    with reading(world):
        world.run(days=3)
        world.run(days=3)
    hold = LegalHolds(world.engine).add("case", world.days[0], world.days[1])
    monkeypatch.setattr(removal, "LIMIT_SECONDS", 60.0)
    world.run(days=3)
    LegalHolds(world.engine).remove(hold.id)
    world.run(days=3)
    assert limits == dict.fromkeys(
        ("CONCURRENTLY", "FINALIZE", "ATTACH PARTITION", "DROP TABLE"), "200ms"
    )


def test_a_late_event_waits_while_its_partition_is_leaving_and_is_stored_then(
    world: History, settings: StorageSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removal, "LIMIT_SECONDS", 0.0)
    late = made(now_ms() - 4 * 86_400_000)
    with reading(world):
        world.run(days=3)
        with pytest.raises(DatabaseUnavailable):
            store(settings, [late])
    world.run(days=3)
    store(settings, [late])
    assert world.rows("SELECT count(*) AS n FROM events WHERE id = :id", id=late.id)[0].n == 1


def test_a_run_whose_session_is_ended_lets_the_next_one_go_on(
    world: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL restarts, or an operator ends the session: the lock is free at once."""
    monkeypatch.setattr(removal, "LIMIT_SECONDS", 600.0)
    failures: list[Exception] = []

    def run() -> None:
        try:
            world.run(days=3)
        except DatabaseUnavailable as error:
            failures.append(error)

    with reading(world):
        running = threading.Thread(target=run)
        running.start()
        wait_until(lambda: world.stored()[0] == world.days[1], "nobody to see it", 120)
        ended = world.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' "
            "AND granted AND objid::int4 = hashtext('activity retention')"
        )
        assert len(ended) == 1
        running.join(120)
    assert failures
    monkeypatch.setattr(removal, "LIMIT_SECONDS", 60.0)
    again = world.run(days=3)
    assert again is not None
    assert world.stored() == list(world.days[1:])


def test_a_partition_that_is_left_costs_the_cache_only_once(
    world: History, settings: StorageSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removal, "LIMIT_SECONDS", 0.0)
    with reading(world), reader(settings) as read:
        world.run(days=3)
        world.execute("UPDATE removed_partitions SET detached_at = NULL")  # killed before that
        assert read.served(Filters()).verdict == "MISS"
        world.run(days=3)
        assert read.served(Filters()).verdict == "MISS"
        world.run(days=3)
        assert read.served(Filters()).verdict == "HIT"
