"""Kill a run of retention before each of its statements, run it again: the same end state."""

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from storage.postgres.engine import plain_engine
from storage.redis.client import connect
from storage.retention import removal
from storage.retention.detaching import Place, place_of
from storage.retention.plan import Policy
from storage.retention.run import run_retention
from storage.settings import StorageSettings
from testbed.servers import TestServers
from testbed.waiting import wait_until
from tests.support.retention import History, history

DAYS = 2  # of 5, so two partitions are due
_KILLED = 9


@pytest.fixture
def original(settings: StorageSettings) -> Iterator[History]:
    with history(settings, 5) as found:
        found.engine.dispose()  # nobody may use a database that is copied
        yield found


@contextmanager
def copy_of(original: History, servers: TestServers) -> Iterator[History]:
    """Yield the same history in a database of its own."""
    name = f"test_{secrets.token_hex(6)}"
    template = sa.make_url(original.settings.database_url).database
    servers.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    settings = servers.settings(name)
    engine = plain_engine(settings.database_url, pool=3)
    original.control.flushall()
    try:
        yield replace(original, settings=settings, engine=engine)
    finally:
        engine.dispose()
        servers.execute(f"DROP DATABASE {name} WITH (FORCE)")


def killed(world: History, before: int, is_late: bool = False) -> bool:
    """Run retention in a process that is killed before that change; return whether it was.

    A change is a statement that is no SELECT, or a COMMIT.
    """
    child = os.fork()
    if child == 0:
        try:
            _run_until(world.settings, before, is_late)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, _KILLED)
    return code == _KILLED


def _run_until(settings: StorageSettings, before: int, is_late: bool) -> None:
    left = [before]

    def count(*_: Any) -> None:
        left[0] -= 1
        if left[0] < 0:
            os._exit(_KILLED)

    def count_change(_: Any, __: Any, statement: str, *___: Any) -> None:
        if not statement.lstrip().startswith("SELECT"):
            count()

    sa.event.listen(sa.Engine, "before_cursor_execute", count_change)
    sa.event.listen(sa.Engine, "commit", count)
    if is_late:
        removal.LIMIT_SECONDS = 0.0
    engine = plain_engine(settings.database_url, pool=3)
    with closing(connect(settings.control_url)) as control:
        run_retention(engine, control, Policy(DAYS), actor="a test", is_confirmed=True)
    os._exit(0)


def each_kill(kill: Callable[[int], bool]) -> int:
    """Kill before each change, until none is left; return how many there were."""
    for before in range(200):
        if not kill(before):
            return before
    raise AssertionError("a run without end")


def rerun(world: History) -> None:
    """Run it again, once PostgreSQL has noticed that the killed process is gone."""
    wait_until(lambda: world.run(DAYS), "the lock to be free", 60)


def test_a_run_that_was_killed_at_any_step_ends_like_any_other(
    original: History, servers: TestServers
) -> None:
    with copy_of(original, servers) as world:
        world.run(DAYS)
        wanted = world.end_state()
        assert len(wanted["removed"]) == 2

    def kill(before: int) -> bool:
        with copy_of(original, servers) as world:
            was_killed = killed(world, before)
            rerun(world)
            assert world.end_state() == wanted, before
            return was_killed

    assert each_kill(kill) > 20


def test_it_does_so_too_if_a_reader_made_the_earlier_run_leave_a_partition(
    original: History, servers: TestServers
) -> None:
    with copy_of(original, servers) as world:
        world.run(DAYS)
        wanted = world.end_state()

    def kill(before: int) -> bool:
        with copy_of(original, servers) as world:
            with reading(world):
                was_killed = killed(world, before, is_late=True)
            rerun(world)
            assert world.end_state() == wanted, before
            return was_killed

    assert each_kill(kill) > 6


def test_a_run_after_another_finishes_what_that_one_left_pending(
    original: History, servers: TestServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removal, "LIMIT_SECONDS", 0.0)
    with copy_of(original, servers) as world:
        with reading(world):
            run = world.run(DAYS)
            assert run is not None
            (left,) = run.left
            with world.engine.connect() as connection:
                assert place_of(connection, left.oid, left.name) is Place.LEAVING
            assert world.stored() == list(world.days[1:])  # nobody sees it any more
            assert len(world.tables()) == 5
        again = world.run(DAYS)
        assert again is not None
        assert [one.name for one in again.removed] == [left.name, world_name(world, 1)]
        assert world.end_state()["unfinished"] == []


def world_name(world: History, day: int) -> str:
    start, end = world.days[day : day + 2]
    return f"events_{start:%Y%m%d}_{end:%Y%m%d}"


@contextmanager
def reading(world: History) -> Iterator[sa.Connection]:
    """Keep a transaction open that has read everything, for as long as the block runs."""
    with world.engine.execution_options(isolation_level="REPEATABLE READ").begin() as connection:
        connection.exec_driver_sql("SELECT count(*) FROM events")
        yield connection
