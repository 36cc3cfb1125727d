"""A row that PostgreSQL refuses affects no other row, and stops no shard."""

from pathlib import Path

import pytest
import sqlalchemy as sa

from storage.model.event import encode_event, now_ms
from storage.postgres.tables import dead_letters
from tests.support import drain_bench
from tests.support.queued import (
    append,
    assert_balanced,
    assert_stored_once,
    backlog,
    dead_ids,
    make_event,
    make_events,
    state,
    stored_ids,
)
from tests.support.refusing import refuse, refuse_nothing

Bench = drain_bench.Bench
bench = drain_bench.bench

# Of a trigger, of an extension, of a damaged page, of PostgreSQL itself, and of nobody yet.
STATES = ["P0001", "P0004", "XX000", "XX001", "XX002", "0A000", "39000", "39P01", "38000"]
STATES += ["2F003", "09000", "21000", "27000", "HV000", "22023", "23503", "23514", "54000", "ABC12"]


@pytest.mark.parametrize("sqlstate", STATES)
def test_a_row_refused_with_any_sqlstate_of_its_own_is_a_dead_letter_and_the_rest_is_stored(
    bench: Bench, sqlstate: str
) -> None:
    refuse(bench.engine, sqlstate, "guilty")
    good, bad = make_events(20), make_event("guilty")
    append(bench.settings, [*good[:10], bad, *good[10:]])
    assert bench.drain(bench.worker()) == "done"
    assert_stored_once(bench.engine, good)
    with bench.engine.connect() as connection:
        row = connection.execute(sa.select(dead_letters)).one()
    assert (str(row.id), row.event) == (bad.id, encode_event(bad))
    assert row.reason == f"{sqlstate}: refused by a trigger"
    assert_balanced(bench.queue)
    assert backlog(bench.queue) == 0
    assert "last_error" not in state(bench.queue)


def test_a_row_refused_only_at_the_commit_is_a_dead_letter_too(bench: Bench) -> None:
    refuse(bench.engine, "P0001", "guilty", at_commit=True)
    good, bad = make_events(20), make_event("guilty")
    append(bench.settings, [*good[:10], bad, *good[10:]])
    assert bench.drain(bench.worker()) == "done"
    assert_stored_once(bench.engine, good)
    assert dead_ids(bench.engine) == {bad.id: 1}


def test_a_row_refused_by_a_constraint_of_the_operators_own_is_no_missing_partition(
    bench: Bench,
) -> None:
    with bench.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE events ADD CHECK (message <> 'guilty')")
    good, bad = make_events(5), make_event("guilty")
    append(bench.settings, [*good, bad])
    assert bench.drain(bench.worker()) == "done"
    assert_stored_once(bench.engine, good)
    assert dead_ids(bench.engine) == {bad.id: 1}


@pytest.mark.parametrize("table", ["events", "events_20261128_20261129"])
def test_a_row_whose_trigger_names_a_table_as_a_missing_partition_does_is_a_dead_letter(
    bench: Bench, table: str
) -> None:
    refuse(bench.engine, "23514", "guilty", table=table)
    good, bad = make_events(5), make_event("guilty")
    append(bench.settings, [*good, bad])
    assert bench.drain(bench.worker()) == "done"
    assert_stored_once(bench.engine, good)
    assert dead_ids(bench.engine) == {bad.id: 1}


def test_a_partition_that_was_dropped_since_it_was_made_is_made_again(bench: Bench) -> None:
    worker, first, second = bench.worker(), make_event("first"), make_event("second")
    append(bench.settings, [first])
    assert bench.drain(worker) == "done"
    with bench.engine.begin() as connection:
        name = connection.exec_driver_sql("SELECT tableoid::regclass FROM events").scalar_one()
        connection.exec_driver_sql(f"DROP TABLE {name}")
    append(bench.settings, [second])
    assert bench.drain(worker) == "paused"
    assert state(bench.queue)["last_error"] == "a partition is missing"
    assert dead_ids(bench.engine) == {}
    assert bench.drain(worker) == "done"
    assert_stored_once(bench.engine, [second])


def test_a_row_refused_by_a_unique_index_of_the_operators_own_is_no_duplicate(
    bench: Bench,
) -> None:
    with bench.engine.begin() as connection:
        connection.exec_driver_sql("CREATE UNIQUE INDEX mine ON events (created_at, message)")
    first = make_event("the same", ms=(ms := now_ms()))
    second = make_event("the same", ms=ms)
    append(bench.settings, [first, second])
    assert bench.drain(bench.worker()) == "done"
    assert stored_ids(bench.engine) | dead_ids(bench.engine) == {first.id: 1, second.id: 1}


@pytest.mark.parametrize(
    "sqlstate", ["40001", "40P01", "53100", "55P03", "57P01", "25006", "42P01"]
)
def test_what_is_about_the_server_or_the_schema_dead_letters_nothing_and_pauses_the_shard(
    bench: Bench, sqlstate: str
) -> None:
    refuse(bench.engine, sqlstate, "%")
    append(bench.settings, batch := make_events(5))
    assert bench.drain(bench.worker()) == "paused"
    assert "refused by a trigger" in state(bench.queue)["last_error"]
    assert dead_ids(bench.engine) == {}
    refuse_nothing(bench.engine)
    assert bench.drain(bench.worker()) == "done"
    bench.assert_all_well(batch)
    assert "last_error" not in state(bench.queue)


def test_what_refuses_every_row_pauses_the_shard_however_small_its_batches_are(
    bench: Bench,
) -> None:
    refuse(bench.engine, "P0001", "%")
    worker, posted = bench.worker(), make_events(11)
    ends = []
    for event in posted:
        append(bench.settings, [event])
        ends.append(bench.drain(worker))
    assert set(ends[:10]) == {"done"}
    assert ends[10] == "paused"
    assert "refused by a trigger" in state(bench.queue)["last_error"]
    assert sum(dead_ids(bench.engine).values()) == 10
    assert backlog(bench.queue) == 1
    refuse_nothing(bench.engine)
    assert bench.drain(worker) == "done"
    assert_stored_once(bench.engine, posted[10:])


def test_an_error_that_is_logged_says_nothing_of_events(
    bench: Bench, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with bench.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE dead_letters ADD CHECK (reason = 'none')")
    append(bench.settings, [make_event("a secret", data=b'"\\u0000"')])
    assert bench.drain(bench.worker()) == "paused"
    assert "23514" in state(bench.queue)["last_error"]
    assert "in _add_dead_letter" in caplog.text, "where it happened"
    assert "Failing row" not in caplog.text
