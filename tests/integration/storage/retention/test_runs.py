"""Runs of retention: exactly what is past the age goes, with all that belongs to it."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from storage.access.audit import newest_lines
from storage.errors import ControlUnavailable, RetentionStopped
from storage.events.hour_counts import counted_spans
from storage.events.reader import EventStore
from storage.model.event import to_ms
from storage.model.filters import Filters
from storage.postgres import locks, partitions
from storage.postgres.engine import reading_engine, transaction
from storage.postgres.locks import Lock
from storage.redis.client import connect
from storage.retention.holds import LegalHolds
from storage.retention.plan import Policy, make_plan
from storage.retention.run import Run, run_retention
from storage.retention.state import read_state
from storage.settings import StorageSettings
from tests.support.reading import made, reader, store
from tests.support.retention import DAY, EVENTS, History, add_letter, history


@pytest.fixture
def world(settings: StorageSettings) -> Iterator[History]:
    with history(settings) as found:
        yield found


def removed(run: Run | None) -> list[str]:
    assert run is not None
    return [one.name for one in run.removed]


def test_exactly_the_partitions_past_the_age_go_with_all_that_belongs_to_them(
    world: History,
) -> None:
    assert all(all(world.belonging(day).values()) for day in world.days[:-1])
    before = [world.belonging(day) for day in world.days]
    run = world.run(days=5)
    # Of 9 days, today included, those are past the age of 5 days that ended 5 days ago.
    gone, left = world.days[:3], world.days[3:]
    assert removed(run) == [partitions.name_of((day, day + DAY)) for day in gone]
    assert (world.partitions(), world.stored()) == (left, left)
    assert world.tables() == [partitions.name_of((day, day + DAY)) for day in left]
    for day in gone:
        assert set(world.belonging(day).values()) == {0}
    assert [world.belonging(day) for day in left] == before[3:]
    with transaction(world.engine) as connection:
        assert counted_spans(connection) == [(left[0], left[-1] + DAY)]
        state = read_state(connection)
    assert (state.horizon, state.partitions_removed) == (left[0], 3)
    assert (state.rows_removed, state.is_settled, state.due) == (3 * EVENTS, True, 0)
    assert (
        world.rows(
            "SELECT * FROM counted_partitions WHERE partition NOT IN "
            "(SELECT inhrelid FROM pg_inherits)"
        )
        == []
    )


def test_a_second_run_removes_nothing(world: History) -> None:
    world.run(days=5)
    after = world.end_state()
    assert removed(world.run(days=5)) == []
    assert world.end_state() == after


def test_without_an_age_everything_stays(world: History) -> None:
    assert removed(world.run(days=None)) == []
    assert world.stored() == list(world.days)


def test_each_removal_is_in_the_audit_log(world: History) -> None:
    world.run(days=7, actor="who runs it")
    lines = newest_lines(world.engine, world.days[0], 10)
    assert [(line.actor, line.action, line.target) for line in lines] == [
        ("who runs it", "retention remove", partitions.name_of((world.days[0], world.days[1])))
    ]
    assert lines[0].details["rows"] == EVENTS


def test_a_clock_that_is_ahead_removes_nothing_more(
    world: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Ahead:
        @staticmethod
        def now(zone: Any) -> Any:
            return world.days[-1] + 4_000 * DAY

    monkeypatch.setattr("storage.retention.plan.datetime", Ahead)
    world.run(days=5)
    assert world.stored() == list(world.days[3:])


def test_months_are_removed_as_a_whole_and_not_before_their_end_is_past_the_age(
    settings: StorageSettings,
) -> None:
    with history(settings, 1) as world:
        month = (world.days[0] - 70 * DAY).replace(day=1)
        span = partitions.span_of(month, "month")
        with transaction(world.engine) as connection:
            partitions.ensure(connection, [month], "month")
        store(settings, [made(to_ms(month), message="of a month")])
        until_now = (world.days[0] - span[1]).days
        assert removed(world.run(days=until_now + 1)) == []
        assert removed(world.run(days=until_now)) == [partitions.name_of(span)]
        assert world.stored() == list(world.days)


def test_the_cache_serves_nothing_of_what_was_removed(
    world: History, settings: StorageSettings
) -> None:
    closed = Filters(end=world.days[4])
    with reader(settings) as read:
        for filters in (Filters(), closed):
            assert read.served(filters).verdict == "MISS"
            assert read.served(filters).verdict == "HIT"
            assert read.held(filters) is not None
        world.run(days=5)
        for filters in (Filters(), closed):
            assert read.held(filters) is None
            events, _ = read.page(filters)
            assert min(event["created_at"] for event in events) >= world.days[3].isoformat()[:10]
            assert read.served(filters).verdict == "HIT"


def test_the_brake_stops_a_run_of_more_than_three_partitions(world: History) -> None:
    run = world.run(days=4, is_confirmed=False)
    assert run is not None
    assert (run.is_braked, run.removed, len(run.plan.due)) == (True, [], 4)
    with pytest.raises(RetentionStopped, match="--yes"):
        run.require_done()
    assert world.stored() == list(world.days)
    with transaction(world.engine) as connection:
        state = read_state(connection)
    assert (state.is_braked, state.due, state.is_settled) == (True, 4, False)
    assert len(removed(world.run(days=4))) == 4
    with transaction(world.engine) as connection:
        assert not read_state(connection).is_braked


def test_the_brake_stops_a_run_of_more_than_a_tenth_of_the_rows(world: History) -> None:
    run = world.run(days=7, is_confirmed=False)
    assert run is not None
    assert run.is_braked  # one partition of nine
    assert world.stored() == list(world.days)


def test_what_time_brings_is_removed_without_a_confirmation(world: History) -> None:
    """One partition becomes due each day: under the same settings that is no mistake."""
    world.run(days=7)
    with transaction(world.engine) as connection:
        tomorrow = world.days[-1] + 1.5 * DAY
        plan = make_plan(connection, Policy(7), tomorrow)
        from storage.retention.state import stops

        assert len(plan.due) == 1
        assert plan.is_large
        assert not stops(plan, Policy(7), read_state(connection))
        assert stops(plan, Policy(6), read_state(connection))
        later = make_plan(connection, Policy(7), tomorrow + DAY)
        assert stops(later, Policy(7), read_state(connection))


def test_over_the_budget_the_oldest_partitions_go_until_it_fits(world: History) -> None:
    with transaction(world.engine) as connection:
        plan = make_plan(connection, Policy(None, None))
    sizes = [one.bytes for one in plan.partitions]
    run = world.run(days=None, disk_budget=plan.bytes - sizes[0] - sizes[1] // 2)
    assert len(removed(run)) >= 2
    assert world.stored() == list(world.days[len(removed(run)) :])
    with transaction(world.engine) as connection:
        assert read_state(connection).excess_bytes == 0


def test_over_the_budget_the_last_two_days_stay_and_an_operator_is_told(world: History) -> None:
    run = world.run(days=None, disk_budget=1)
    assert run is not None
    assert world.stored() == list(world.days[-3:])
    assert run.plan.excess_bytes > 0
    with pytest.raises(RetentionStopped, match="over ACTIVITY_DISK_BUDGET"):
        run.require_done()
    with transaction(world.engine) as connection:
        assert read_state(connection).excess_bytes > 0


def test_what_a_hold_touches_stays(world: History) -> None:
    holds = LegalHolds(world.engine)
    of_time = holds.add("case", world.days[0], world.days[0] + DAY / 4)
    of_person = holds.add("case", email=f"{world.days[2]:%d}@example.com")
    run = world.run(days=5)
    assert run is not None
    assert removed(run) == [partitions.name_of((world.days[1], world.days[2]))]
    assert [kept.holds for kept in run.plan.kept] == [[of_time], [of_person]]
    assert world.stored() == [world.days[0], *world.days[2:]]
    assert world.belonging(world.days[0])["dead_letters"] == 1
    holds.remove(of_time.id)
    holds.remove(of_person.id)
    world.run(days=5)
    assert world.stored() == list(world.days[3:])


def test_dead_letters_that_a_hold_touches_stay(world: History) -> None:
    held = made(to_ms(world.days[0]) + 50, email="Held@example.com")
    unreadable = made(to_ms(world.days[0]) + 60)
    with transaction(world.engine) as connection:
        add_letter(connection, held)
        add_letter(connection, unreadable)
        connection.execute(
            sa.text("UPDATE dead_letters SET event = 'no event' WHERE id = :id"),
            {"id": unreadable.id},
        )
    LegalHolds(world.engine).add("case", email="held@EXAMPLE.com")
    world.run(days=5)
    left = world.rows("SELECT id FROM dead_letters WHERE created_at < :end", end=world.days[3])
    assert {row.id for row in left} == {UUID(held.id), UUID(unreadable.id)}


def test_one_process_at_a_time_runs_it(world: History) -> None:
    with transaction(world.engine) as connection:
        assert locks.try_acquire(connection, Lock.RETENTION)
        assert world.run(days=5) is None
    assert world.stored() == list(world.days)


def test_without_control_nothing_is_removed(world: History) -> None:
    away = connect("redis://127.0.0.1:1/0")
    with pytest.raises(ControlUnavailable):
        run_retention(world.engine, away, Policy(5), is_confirmed=True)
    assert world.stored() == list(world.days)
    world.run(days=5)
    assert world.stored() == list(world.days[3:])


def test_what_is_stored_into_the_removed_time_later_is_found_and_counted(
    world: History, settings: StorageSettings
) -> None:
    world.run(days=5)
    late = made(to_ms(world.days[0]) + 7, message="imported")
    store(settings, [late])
    events = EventStore(reading_engine(settings.database_url, 1))
    assert events.find([UUID(late.id)])
    events.close()
    assert world.stored() == [world.days[0], *world.days[3:]]
    assert world.belonging(world.days[0])["event_hours"] == 1
    world.run(days=5)
    assert world.stored() == list(world.days[3:])
    assert world.belonging(world.days[0])["event_hours"] == 0
