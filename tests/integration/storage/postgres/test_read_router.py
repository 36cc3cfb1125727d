"""Reads on a standby: only what it surely has, and the primary answers whatever goes wrong."""

import threading
from collections.abc import Iterator
from typing import NamedTuple

import pytest
import sqlalchemy as sa

from storage.errors import QueryTooSlow
from storage.model.wal_position import WalPosition
from storage.postgres import read_router
from storage.postgres.engine import (
    plain_engine,
    reading_engine,
    transaction,
    waiting_at_most,
)
from storage.postgres.read_router import ReadRouter
from storage.postgres.standby import Standby, StandbyWatch, problem_of
from storage.postgres.wal import written
from testbed.waiting import wait_until
from tests.support.standby import Member, address_of_one, two_servers


class Pair(NamedTuple):
    primary: Member
    standby: Member

    def write(self, statement: str = "INSERT INTO numbers VALUES (1)") -> WalPosition:
        """Commit on the primary; return a place behind it."""
        self.primary.sql(statement)
        engine = plain_engine(address_of_one(self.primary))
        with transaction(engine) as connection:
            found = written(connection)
        engine.dispose()
        return found


class Bench(NamedTuple):
    pair: Pair
    state: Standby
    router: ReadRouter


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with two_servers(waits_for_standby=False) as (primary, standby):
        standby.sql("ALTER SYSTEM SET max_standby_streaming_delay = 0", "postgres")
        standby.sql("SELECT pg_reload_conf()", "postgres")
        yield Pair(primary, standby)


@pytest.fixture
def bench(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """Give an empty table, and a router that waits for long: the machine may be busy."""
    monkeypatch.setattr(read_router, "WAIT_SECONDS", 60)
    place = pair.write("DROP TABLE IF EXISTS numbers; CREATE TABLE numbers (n int)")
    state = Standby("standby")
    router = ReadRouter(
        reading_engine(address_of_one(pair.primary), 1),
        [(state, reading_engine(address_of_one(pair.standby), 1))],
        lambda: place,
    )
    StandbyWatch(state, address_of_one(pair.standby), lambda: place).run_once()
    yield Bench(pair, state, router)
    router.close()
    pair.standby.replay()


def numbers(connection: sa.Connection) -> tuple[bool, int]:
    """Return whether it is a standby, and how many numbers it has."""
    row = connection.exec_driver_sql("SELECT pg_is_in_recovery(), count(*) FROM numbers").one()
    return row[0], row[1]


def test_a_standby_answers_as_soon_as_it_has_the_commit(bench: Bench) -> None:
    for number in range(1, 20):
        assert bench.router.read_from(bench.pair.write(), numbers) == (True, number)


def test_a_standby_is_waited_for(bench: Bench) -> None:
    bench.pair.standby.replay(is_paused=True)
    place = bench.pair.write()
    later = threading.Timer(0.2, bench.pair.standby.replay)
    later.start()
    assert bench.router.read_from(place, numbers) == (True, 1)
    later.join()


def test_a_standby_that_is_too_late_is_not_waited_for_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.pair.standby.replay(is_paused=True)
    place = bench.pair.write()
    monkeypatch.setattr(read_router, "WAIT_SECONDS", 0.05)
    assert bench.router.read_from(place, numbers) == (False, 1)
    assert bench.state.is_late
    monkeypatch.setattr(read_router, "WAIT_SECONDS", 3600)
    assert bench.router.read_from(place, numbers) == (False, 1)
    bench.pair.standby.replay()
    wait_until(lambda: bench.router.read_from(place, numbers) == (True, 1), "the standby")
    assert not bench.state.is_late


def test_without_a_place_the_primary_answers(bench: Bench) -> None:
    assert bench.router.read_from(None, numbers) == (False, 0)
    assert bench.router.on_primary(numbers) == (False, 0)
    assert bench.router.read(numbers) == (True, 0)


@pytest.mark.parametrize("change", [{"system": 1}, {"timeline": 2}, {"timeline": 0}])
def test_the_place_of_another_system_or_timeline_tells_nothing(
    bench: Bench, change: dict[str, int]
) -> None:
    place = bench.pair.write()._replace(lsn=1, **change)
    assert bench.router.read_from(place, numbers) == (False, 1)
    assert not bench.state.is_late


def test_a_read_that_recovery_cancels_is_repeated_on_the_primary(bench: Bench) -> None:
    place, standby = bench.pair.write(), bench.pair.standby
    asked: list[bool] = []

    def remove() -> None:
        wait_until(lambda: sessions(standby, "query = 'SELECT pg_sleep(600)'"), "the long query")
        bench.pair.primary.sql("TRUNCATE numbers")

    def read(connection: sa.Connection) -> int:
        is_standby, found = numbers(connection)
        asked.append(is_standby)
        if is_standby:
            for limit in ("statement_timeout", "transaction_timeout"):
                connection.exec_driver_sql(f"SET LOCAL {limit} = 0")
            connection.exec_driver_sql("SELECT pg_sleep(600)")
        return found

    removing = threading.Thread(target=remove)
    removing.start()
    assert bench.router.read_from(place, read) == 0
    removing.join()
    assert asked == [True, False]
    assert bench.state.is_askable


def test_a_session_that_recovery_ends_is_replaced_by_the_primary(bench: Bench) -> None:
    place, standby = bench.pair.write(), bench.pair.standby
    asked: list[bool] = []

    def read(connection: sa.Connection) -> int:
        is_standby, found = numbers(connection)
        asked.append(is_standby)
        if is_standby:
            bench.pair.primary.sql("TRUNCATE numbers")
            wait_until(lambda: not sessions(standby, "state = 'idle in transaction'"), "its end")
            connection.exec_driver_sql("SELECT 1")
        return found

    assert bench.router.read_from(place, read) == 0
    assert asked == [True, False]


def sessions(server: Member, condition: str) -> list[tuple[object, ...]]:
    return server.sql(
        f"SELECT pid FROM pg_stat_activity WHERE application_name = 'activity-api' AND {condition}"
    )


def test_a_read_that_takes_too_long_is_not_repeated(bench: Bench) -> None:
    asked: list[bool] = []

    def read(connection: sa.Connection) -> None:
        asked.append(numbers(connection)[0])
        connection.exec_driver_sql("SET LOCAL statement_timeout = 1; SELECT pg_sleep(600)")

    with pytest.raises(QueryTooSlow):
        bench.router.read_from(bench.pair.write(), read)
    assert asked == [True]
    assert bench.state.is_askable


def test_a_read_that_fails_on_the_standby_keeps_others_from_it_for_a_while(bench: Bench) -> None:
    def read(connection: sa.Connection) -> bool:
        is_standby, _ = numbers(connection)
        if is_standby:
            bench.pair.standby.sql(f"SELECT pg_terminate_backend({pid(connection)})")
            connection.exec_driver_sql("SELECT 1")
        return is_standby

    place = bench.pair.write()
    assert not bench.router.read_from(place, read)
    assert not bench.state.is_askable
    assert bench.router.read_from(place, numbers) == (False, 1)
    bench.state._paused_until = 0
    assert bench.router.read_from(place, numbers) == (True, 1)


def test_a_read_ends_once_its_standby_does_not_answer_any_more(bench: Bench) -> None:
    place = bench.pair.write()

    def read(connection: sa.Connection) -> bool:
        is_standby, _ = numbers(connection)
        if is_standby:
            bench.state.fail("it hangs")
            connection.exec_driver_sql("SELECT pg_sleep(600)")
        return is_standby

    with waiting_at_most(300):
        assert not bench.router.read_from(place, read)


def pid(connection: sa.Connection) -> int:
    driver = connection.connection.driver_connection
    assert driver is not None
    found: int = driver.info.backend_pid
    return found


def test_what_keeps_readers_from_a_standby(pair: Pair) -> None:
    place = pair.write("SELECT 1")
    address = address_of_one(pair.standby)
    assert problem_of(address, place) is None
    assert "system_identifier" in str(problem_of(address, place._replace(system=1)))
    assert "timeline 1" in str(problem_of(address, place._replace(timeline=2)))
    assert "a primary" in str(problem_of(address_of_one(pair.primary), place))
    assert "can't answer" in str(problem_of(address.replace("5432", "5433"), place))


def test_a_commit_that_does_not_wait_for_the_disk_is_before_the_place(pair: Pair) -> None:
    pair.primary.sql("DROP TABLE IF EXISTS late; CREATE TABLE late (n int)")
    engine = plain_engine(address_of_one(pair.primary))
    for _ in range(20):
        with transaction(engine) as connection:
            connection.exec_driver_sql("SET synchronous_commit = off; INSERT INTO late VALUES (1)")
            end = connection.exec_driver_sql("SELECT pg_current_wal_insert_lsn() - '0/0'")
            inserted = end.scalar_one()
        with transaction(engine) as connection:
            assert written(connection).lsn > inserted
    engine.dispose()


def test_a_standby_that_was_promoted_is_not_read_from_and_one_that_follows_it_is() -> None:
    with two_servers(waits_for_standby=False) as (first, second):
        old = Pair(first, second).write("CREATE TABLE numbers (n int)")
        state = Standby("second")
        router = ReadRouter(
            reading_engine(address_of_one(first), 1),
            [(state, reading_engine(address_of_one(second), 1))],
            lambda: old,
        )
        watch = StandbyWatch(state, address_of_one(second), lambda: old)
        watch.run_once()
        wait_until(lambda: router.on_standby(numbers) == ((True, 0),), "the standby")
        second.promote()
        wait_until(lambda: second.sql("SELECT pg_is_in_recovery()") == [(False,)], "the promotion")
        watch.run_once()
        assert router.on_standby(numbers) is None
        assert state.view().problem == "it is no standby, but a primary"
        router.close()
        watch._engine.dispose()
        first.kill()
        first.follow(second)
        new = Pair(second, first).write("SELECT 1")
        assert new.timeline == old.timeline + 1
        assert problem_of(address_of_one(first), new) is None
        assert "timeline" in str(problem_of(address_of_one(first), old))
