"""Erasing and rewriting, while retention takes partitions away: whoever comes first."""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from storage.erasure import files, rewriting
from storage.erasure.files import Partition, partitions
from storage.erasure.runner import run_pending
from storage.events import hour_counter
from storage.events.hour_counts import read_differing
from storage.model.event import now_ms, to_datetime
from storage.postgres.engine import plain_engine, transaction
from storage.redis.client import connect
from storage.retention import removal
from storage.retention.holds import LegalHolds
from storage.retention.plan import Policy, make_plan
from storage.retention.removal import Remover, keep_partitions
from storage.retention.run import Run, run_retention
from testbed.waiting import wait_until
from tests.support import erasing as support
from tests.support.drain_bench import Killed
from tests.support.erasing import DAY_MS, ErasureBench, assert_history_is_erased, history

DAYS = 6
KEPT = 3  # of them, with retention of 2 days

erasing = support.erasing


def retain(bench: ErasureBench, days: int = 2) -> Run | None:
    """Run retention on connections of its own, as another process does."""
    engine = plain_engine(bench.settings.database_url, pool=2)
    try:
        with closing(connect(bench.settings.control_url)) as control:
            return run_retention(engine, control, Policy(days), is_confirmed=True)
    finally:
        engine.dispose()


@contextmanager
def reading(bench: ErasureBench) -> Iterator[None]:
    """Keep a transaction open that has read everything."""
    engine = plain_engine(bench.settings.database_url)
    with engine.execution_options(isolation_level="REPEATABLE READ").begin() as connection:
        connection.exec_driver_sql("SELECT count(*) FROM events")
        yield
    engine.dispose()


def oldest(bench: ErasureBench) -> Partition:
    with transaction(bench.engine) as connection:
        return partitions(connection)[0]


def to_the_files(bench: ErasureBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Erase Jo, up to the step that rewrites the files."""
    with monkeypatch.context() as patched:

        def die(*_: Any) -> None:
            raise Killed

        patched.setattr(rewriting, "next_partition", die)
        bench.begin(rewrite=True)
        with pytest.raises(Killed):
            bench.finish()


def assert_all_is_well(bench: ErasureBench) -> None:
    """Check that Jo is erased, that what was due is gone, and that nothing is left behind."""
    assert_history_is_erased(bench, KEPT)
    assert bench.rows("SELECT count(*) FROM erasure_hours") == [(0,)]
    apart = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname ~ '^events_(rew|[0-9])'"
    assert bench.rows(f"{apart} AND NOT relispartition") == []
    assert bench.rows("SELECT * FROM removed_partitions WHERE removed_at IS NULL") == []
    gone = DAYS - KEPT
    assert bench.rows("SELECT partitions_removed, rows_removed FROM retention_state") == [
        (gone, gone * 4)
    ]


def prepare(bench: ErasureBench) -> None:
    bench.store(history(DAYS))
    hour_counter.count_missing(bench.engine)


def analyse(bench: ErasureBench) -> None:
    """Let PostgreSQL estimate the rows exactly."""
    with transaction(bench.engine) as connection:
        connection.exec_driver_sql("ANALYZE events")


def test_an_erasure_waits_for_a_partition_that_leaves_for_it_may_come_back(
    erasing: ErasureBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(erasing)
    with reading(erasing), monkeypatch.context() as patched:
        patched.setattr(removal, "LIMIT_SECONDS", 0.0)
        run = retain(erasing)
        assert run is not None
        (left,) = run.left
        begun = erasing.begin()
        assert run_pending(erasing.engine, erasing.eraser())
    found = erasing.record(begun)
    assert (found.step, found.waits_for) == ("events", "retention to finish what it removes")
    holds = LegalHolds(erasing.engine, "somebody@host")
    hold = holds.add("a lawsuit", *left.span)
    retain(erasing, days=30)
    assert len(erasing.rows("SELECT FROM events WHERE message LIKE 'of Jo%'")) == DAYS
    holds.remove(hold.id)
    erasing.finish()
    assert_history_is_erased(erasing, DAYS)


def test_nothing_is_swapped_while_a_run_of_retention_is_under_way(
    erasing: ErasureBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Retention would detach the copy by the name of what it has planned to remove."""
    prepare(erasing)
    to_the_files(erasing, monkeypatch)
    analyse(erasing)
    monkeypatch.setattr(rewriting, "_TRIES", 1)
    swapped: list[bool] = []
    announce = Remover.announce

    def swap_meanwhile(remover: Remover, due: Any) -> Any:
        announced = announce(remover, due)
        if not swapped:
            swapped.append(rewriting.rewrite(erasing.engine, oldest(erasing)))
        return announced

    monkeypatch.setattr(Remover, "announce", swap_meanwhile)
    retain(erasing)
    assert swapped == [False]
    erasing.finish()
    assert_all_is_well(erasing)


def test_retention_removes_a_partition_while_it_is_copied(
    erasing: ErasureBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(erasing)
    to_the_files(erasing, monkeypatch)
    analyse(erasing)
    catch_up = rewriting._catch_up

    def removed_meanwhile(*args: Any) -> Any:
        retain(erasing)
        return catch_up(*args)

    monkeypatch.setattr(rewriting, "_catch_up", removed_meanwhile)
    assert rewriting.rewrite(erasing.engine, oldest(erasing))
    monkeypatch.undo()
    erasing.finish()
    assert_all_is_well(erasing)


@contextmanager
def killed_at(monkeypatch: pytest.MonkeyPatch, owner: Any, step: str) -> Iterator[None]:
    """Let the block die when it comes to a step of its owner."""

    def die(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(owner, step, die)
        with pytest.raises(Killed):
            yield


def test_the_copy_of_a_killed_eraser_goes_though_its_partition_is_gone(
    erasing: ErasureBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(erasing)
    to_the_files(erasing, monkeypatch)
    analyse(erasing)
    with killed_at(monkeypatch, rewriting, "_catch_up"):
        rewriting.rewrite(erasing.engine, oldest(erasing))
    assert erasing.rows("SELECT FROM pg_class WHERE relname ~ '^events_rewritten_[0-9]+$'")
    retain(erasing)
    erasing.finish()
    assert_all_is_well(erasing)


def test_what_a_killed_run_has_only_announced_is_not_swapped(
    erasing: ErasureBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(erasing)
    to_the_files(erasing, monkeypatch)
    analyse(erasing)
    with killed_at(monkeypatch, Remover, "remove"):
        retain(erasing)
    before = oldest(erasing)
    assert rewriting.rewrite(erasing.engine, before)
    assert oldest(erasing) == before
    assert run_pending(erasing.engine, erasing.eraser())
    retain(erasing)
    erasing.finish()
    assert_all_is_well(erasing)


def test_a_partition_that_is_removed_before_it_is_vacuumed_is_no_obstacle(
    erasing: ErasureBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(erasing)
    analyse(erasing)
    may_maintain = files.may_maintain

    def removed_meanwhile(*args: Any) -> bool:
        retain(erasing)
        return may_maintain(*args)

    monkeypatch.setattr(files, "may_maintain", removed_meanwhile)
    erasing.begin()
    erasing.finish()
    assert_history_is_erased(erasing, KEPT)


def test_both_at_once_end_as_one_after_the_other(erasing: ErasureBench) -> None:
    prepare(erasing)
    analyse(erasing)
    erasing.begin(rewrite=True)
    failures: list[Exception] = []

    def erase() -> None:
        try:
            erasing.finish()
        except Exception as error:  # noqa: BLE001
            failures.append(error)

    eraser = threading.Thread(target=erase)
    eraser.start()
    for days in (4, 3, 2):
        wait_until(partial(retain, erasing, days), "a turn for retention", 120)
    eraser.join(120)
    assert failures == []
    assert not eraser.is_alive()
    assert_history_is_erased(erasing, KEPT)
    hour_counter.count_missing(erasing.engine)
    for day in range(KEPT):
        hour = to_datetime(now_ms() - day * DAY_MS).replace(minute=0, second=0, microsecond=0)
        for each in (hour, hour - timedelta(hours=1)):
            assert read_differing(erasing.engine, each) in (0, None)


def test_a_run_of_retention_gets_its_turn_between_two_parts_of_an_erasure(
    erasing: ErasureBench,
) -> None:
    prepare(erasing)
    waiting = """
        SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    """

    def had_its_turn() -> bool:
        """Return whether it had; not on a machine that is busy for longer than a run waits."""
        runs: list[Run | None] = []
        retaining = threading.Thread(target=lambda: runs.append(retain(erasing)))
        with transaction(erasing.engine) as part:
            assert keep_partitions(part)
            retaining.start()
            wait_until(lambda: erasing.rows(waiting) or runs, "it to wait", 60)
        retaining.join(120)
        return any(runs)

    wait_until(had_its_turn, "a turn", 300)
    assert erasing.rows("SELECT partitions_removed FROM retention_state") == [(DAYS - KEPT,)]


def test_room_that_copies_take_for_a_moment_is_no_reason_to_remove_events(
    erasing: ErasureBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(erasing)
    to_the_files(erasing, monkeypatch)

    def due() -> int:
        with transaction(erasing.engine) as connection:
            return len(make_plan(connection, Policy(None, 1)).due)

    assert due() == 0
    erasing.finish()
    assert due() == DAYS - KEPT
