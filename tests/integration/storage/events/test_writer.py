"""Storing a batch: text arrives unchanged, once; only poison becomes a dead letter."""

import io
import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa

from storage.errors import DatabaseUnavailable, LeaseLost, QueryTooSlow, RefusedShare
from storage.events.writer import BatchWriter, Outcome
from storage.model.event import Event, encode_event
from storage.postgres.engine import plain_engine, writing_engine
from storage.postgres.tables import dead_letters, events
from storage.settings import StorageSettings
from testbed.servers import TestServers
from testbed.waiting import wait_until
from tests.support.queued import assert_stored_once, dead_ids, make_event, make_events, stored_ids

AWKWARD = [
    "back\\slash",
    "two\\\\slashes",
    "\\",
    "\\N",
    "\\.",
    "\\n is not a line feed",
    "tab\there",
    "line\nfeed",
    "carriage\rreturn",
    "both\r\n",
    "\n",
    "\x01\x08\x0b\x0c\x1b\x7f",
    "naïve ß Ω 漢字 עברית",
    "🦀 👩\u200d👩\u200d👧 \U0010ffff",
    "\u2028\u2029\u00a0\ufeff",
    "'; DROP TABLE events; --",
    '"quoted", with, commas',
    "\\x41\\101",
]
# Valid JSON that PostgreSQL refuses, or fields that the API would not let pass.
POISON = {
    "NUL": make_event("NUL\x00"),
    "escaped NUL": make_event(data=b'"\\u0000"'),
    "broken JSON": make_event(data=b'{"a":'),
    "overflow": make_event(data=b"1e200000"),
    "lone surrogate": make_event(data=b'"\\ud800"'),
    "too long for its index": make_event(component=secrets.token_hex(20_000)),
}


@pytest.fixture
def engine(settings: StorageSettings) -> Iterator[sa.Engine]:
    found = plain_engine(settings.database_url)
    yield found
    found.dispose()


@pytest.fixture
def writing(settings: StorageSettings) -> Iterator[sa.Engine]:
    found = writing_engine(settings.database_url)
    yield found
    found.dispose()


@pytest.fixture
def writer(writing: sa.Engine) -> BatchWriter:
    return BatchWriter(writing, "day")


def write(writer: BatchWriter, batch: list[Event], shard: int = 0, fence: int = 1) -> Outcome:
    writer.ensure_partitions(batch)
    with writer.batch(shard, fence) as transaction:
        return transaction.insert(batch)


def stored_row(engine: sa.Engine, event: Event) -> sa.Row[tuple[object, ...]]:
    with engine.connect() as connection:
        return connection.execute(sa.select(events).where(events.c.id == event.id)).one()


def test_text_arrives_unchanged(writer: BatchWriter, engine: sa.Engine) -> None:
    batch = [
        make_event(text, component=text, email=text, data=json.dumps({text: text}).encode())
        for text in AWKWARD
    ]
    assert write(writer, batch) == Outcome(len(batch), [])
    for event, text in zip(batch, AWKWARD, strict=True):
        row = stored_row(engine, event)
        found = (row.component, row.message, row.email, row.data)
        assert found == (text, text, text, {text: text})


def test_text_arrives_unchanged_whatever_encoding_the_process_prefers(
    settings: StorageSettings, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    latin = writing_engine(settings.database_url)
    event = make_event("naïve 漢字")
    assert write(BatchWriter(latin, "day"), [event]) == Outcome(1, [])
    latin.dispose()
    monkeypatch.undo()
    assert stored_row(engine, event).message == "naïve 漢字"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"null", None),
        (b'{\r\n\t"a" :\t[ 1,\n 2 ]\r\n}', '{"a": [1, 2]}'),
        (b'"\\\\N \\n \\t \\u0041 \\/"', '"\\\\N \\n \\t A /"'),
        (b'"\\\\."', '"\\\\."'),
        (b'"null"', '"null"'),
        (b"12345678901234567890123456789.10", "12345678901234567890123456789.10"),
        (b"1e400", "1" + "0" * 400),
        ('"漢字 🦀"'.encode(), '"漢字 🦀"'),
        (b"false", "false"),
    ],
    ids=["null", "pretty", "escapes", "dot", "text-null", "digits", "exponent", "unicode", "false"],
)
def test_data_arrives_as_it_was_posted(
    writer: BatchWriter, engine: sa.Engine, data: bytes, text: str | None
) -> None:
    event = make_event(data=data)
    assert write(writer, [event]) == Outcome(1, [])
    with engine.connect() as connection:
        assert connection.scalar(sa.select(sa.cast(events.c.data, sa.Text))) == text


def test_no_email_and_an_empty_one_differ(writer: BatchWriter, engine: sa.Engine) -> None:
    without, empty = make_event(email=None), make_event(email="")
    write(writer, [without, empty])
    assert stored_row(engine, without).email is None
    assert stored_row(engine, empty).email == ""


def test_duplicates_do_nothing(writer: BatchWriter, engine: sa.Engine) -> None:
    batch = make_events(10)
    assert write(writer, batch).stored == 10
    more = make_events(5)
    assert write(writer, [*batch, *more, *more]).stored == 5
    assert_stored_once(engine, [*batch, *more])


# Poison


@pytest.mark.parametrize(
    ("kind", "place"), [(kind, 17) for kind in POISON] + [("NUL", 0), ("NUL", 49)]
)
def test_poison_becomes_a_dead_letter_alone_with_its_reason_and_its_bytes(
    writer: BatchWriter, engine: sa.Engine, kind: str, place: int
) -> None:
    bad = POISON[kind]
    batch = make_events(49)
    outcome = write(writer, [*batch[:place], bad, *batch[place:]])
    assert outcome.stored == 49
    assert [refusal.event for refusal in outcome.refused] == [bad]
    assert_stored_once(engine, batch)
    with engine.connect() as connection:
        row = connection.execute(sa.select(dead_letters)).one()
    assert (str(row.id), row.event) == (bad.id, encode_event(bad))
    assert row.reason[:2] in ("22", "54")
    assert len(row.reason) > len("22P02: ")


def test_the_only_event_of_a_batch_may_be_poison(writer: BatchWriter, engine: sa.Engine) -> None:
    assert write(writer, [POISON["NUL"]]).stored == 0
    assert dead_ids(engine) == {POISON["NUL"].id: 1}


def test_a_replayed_batch_adds_no_dead_letter_twice(writer: BatchWriter, engine: sa.Engine) -> None:
    batch = [*make_events(20), *POISON.values()]
    assert write(writer, batch).stored == 20
    again = write(writer, batch, fence=2)
    assert (again.stored, len(again.refused)) == (0, len(POISON))
    assert set(dead_ids(engine).values()) == {1}
    assert len(dead_ids(engine)) == len(POISON)


@pytest.mark.parametrize(("good", "bad"), [(0, 10), (5, 10), (180, 20)])
def test_a_few_bad_rows_are_poison(
    writer: BatchWriter, engine: sa.Engine, good: int, bad: int
) -> None:
    batch = [*make_events(good), *(make_event(data=b"{") for _ in range(bad))]
    outcome = write(writer, batch)
    assert (outcome.stored, len(outcome.refused)) == (good, bad)


@pytest.mark.parametrize(("good", "bad"), [(0, 11), (89, 11), (179, 21)])
def test_over_ten_and_over_a_tenth_refused_stores_and_dead_letters_nothing(
    writer: BatchWriter, engine: sa.Engine, good: int, bad: int
) -> None:
    batch = [*make_events(good), *(make_event(data=b"{") for _ in range(bad))]
    with pytest.raises(RefusedShare, match="22P02"):
        write(writer, batch)
    assert stored_ids(engine) == {}
    assert dead_ids(engine) == {}
    assert writer.last_fence(0) == 0


@pytest.mark.parametrize("again", [True, False])
def test_a_batch_that_is_halved_leaves_no_savepoints_inside_each_other(
    writer: BatchWriter, again: bool
) -> None:
    """Hundreds of nested savepoints would take minutes."""
    batch = make_events(20)
    if again:
        write(writer, batch)
    writer.ensure_partitions(batch)

    def halve_and_look() -> None:
        with writer.batch(0, 1) as transaction:
            outcome = transaction.insert([*batch[:7], POISON["NUL"], *batch[7:]])
            assert (outcome.stored, len(outcome.refused)) == (0 if again else 20, 1)
            transaction._connection.exec_driver_sql("RELEASE SAVEPOINT part")

    with pytest.raises(sa.exc.DBAPIError, match='"part" does not exist'):
        halve_and_look()


# What is not a refusal


def test_a_batch_that_is_halved_for_too_long_is_tried_again_later(
    writer: BatchWriter, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = [*make_events(20), POISON["NUL"]]
    with monkeypatch.context() as patch:
        patch.setattr("storage.events.insertion.WRITE_LIMIT_MS", 0)
        with pytest.raises(DatabaseUnavailable, match="too long"):
            write(writer, batch)
        assert stored_ids(engine) == dead_ids(engine) == {}
    assert write(writer, batch).stored == 20


def test_a_missing_partition_is_made_at_the_next_try(
    writer: BatchWriter, engine: sa.Engine
) -> None:
    write(writer, [make_event()])
    with engine.begin() as connection:  # as retention does, behind the writer's back
        partition = connection.scalar(
            sa.text("SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent='events'::regclass")
        )
        connection.execute(sa.text(f"DROP TABLE {partition}"))
    batch = [make_event()]
    with pytest.raises(DatabaseUnavailable, match="partition"):
        write(writer, batch)
    assert dead_ids(engine) == {}
    assert write(writer, batch).stored == 1
    assert_stored_once(engine, batch)


def test_a_database_that_takes_no_writes_now_refuses_nothing_for_good(
    settings: StorageSettings, servers: TestServers, writing: sa.Engine, engine: sa.Engine
) -> None:
    name = writing.url.database
    writer = BatchWriter(writing, "day")
    batch = make_events(3)
    servers.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    with pytest.raises(DatabaseUnavailable):
        write(writer, batch)
    with engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(dead_letters)) == 0
    servers.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
    writing.dispose()
    assert write(writer, batch).stored == 3


@pytest.mark.parametrize("used", [True, False])
def test_a_server_that_ends_each_session_as_it_begins_is_away(
    servers: TestServers, writing: sa.Engine, engine: sa.Engine, used: bool
) -> None:
    def end(driver: Any, *_: object) -> None:
        servers.execute(f"SELECT pg_terminate_backend({driver.info.backend_pid}, 5000)")

    writer = BatchWriter(writing, "day")
    batch = make_events(3)
    if used:
        write(writer, make_events(1))
        end(writing.raw_connection().driver_connection)
    sa.event.listen(writing, "connect", end)
    for _ in range(2):
        with pytest.raises(DatabaseUnavailable):
            write(writer, batch)
    sa.event.remove(writing, "connect", end)
    assert write(writer, batch).stored == 3


def test_a_lock_that_takes_too_long_refuses_nothing_for_good(
    writer: BatchWriter, engine: sa.Engine
) -> None:
    writer.ensure_partitions(make_events(1))

    def write_impatiently() -> None:
        with writer.batch(0, 1) as transaction:
            transaction._connection.execute(sa.text("SET LOCAL lock_timeout = '50ms'"))
            transaction.insert(make_events(3))

    with engine.connect() as other, other.begin():
        other.execute(sa.text("LOCK TABLE events IN ACCESS EXCLUSIVE MODE"))
        with pytest.raises(DatabaseUnavailable):
            write_impatiently()
    assert dead_ids(engine) == {}


@pytest.mark.parametrize(
    "state",
    ["08006", "40001", "40P01", "53100", "53200", "53300", "55P03", "57P01", "57014", "58030"],
)
def test_a_transient_failure_refuses_nothing_for_good(
    writer: BatchWriter, engine: sa.Engine, state: str
) -> None:
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                f"RAISE EXCEPTION 'injected' USING ERRCODE = '{state}'; END $$"
            )
        )
        connection.execute(
            sa.text(
                "CREATE TRIGGER fail BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION fail()"
            )
        )
    batch = make_events(3)
    with pytest.raises(DatabaseUnavailable):
        write(writer, batch)
    assert dead_ids(engine) == {}
    with engine.begin() as connection:
        connection.execute(sa.text("DROP TRIGGER fail ON events"))
    assert write(writer, batch).stored == 3


def test_a_copy_that_is_cancelled_refuses_nothing_for_good(
    writer: BatchWriter, engine: sa.Engine, servers: TestServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Cancelled(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            servers.execute(
                "SELECT pg_cancel_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'activity-drain-0'"
            )
            return super().read(size)

    batch = make_events(3)
    with monkeypatch.context() as patched:
        patched.setattr("storage.events.insertion.io", SimpleNamespace(BytesIO=Cancelled))
        with pytest.raises(QueryTooSlow):
            write(writer, batch)
    assert dead_ids(engine) == {}
    assert write(writer, batch).stored == 3


# Two writers


def test_a_lower_fence_can_not_write_once_a_higher_one_has(
    writer: BatchWriter, engine: sa.Engine
) -> None:
    batch = make_events(2)
    write(writer, batch[:1], fence=7)
    assert writer.last_fence(0) == 7
    with pytest.raises(LeaseLost, match="later fence than 6"):
        write(writer, batch[1:], fence=6)
    write(writer, batch[1:], shard=1, fence=6)
    write(writer, [], fence=7)
    assert writer.last_fence(0) == 7
    assert_stored_once(engine, batch)


def test_two_writers_at_once_store_the_same_events_once(
    settings: StorageSettings, engine: sa.Engine
) -> None:
    batches = [make_events(500) for _ in range(6)]
    stored: list[int] = []
    start = threading.Barrier(3)

    def work(shard: int) -> None:
        own = writing_engine(settings.database_url)
        writer = BatchWriter(own, "day")
        start.wait(20)
        stored.extend(write(writer, batch, shard=shard).stored for batch in batches)
        own.dispose()

    threads = [threading.Thread(target=work, args=(shard,)) for shard in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sum(stored) == 3_000
    assert len(stored) == 18
    assert_stored_once(engine, [event for batch in batches for event in batch])


def test_a_second_batch_of_a_shard_waits_for_the_first_to_end(
    settings: StorageSettings, engine: sa.Engine
) -> None:
    engines = [writing_engine(settings.database_url) for _ in range(2)]
    first, second = (BatchWriter(each, "day") for each in engines)
    batch = make_events(3)
    first.ensure_partitions(batch)
    outcomes: list[Outcome] = []

    def overtake() -> None:
        with second.batch(0, 2) as transaction:
            outcomes.append(transaction.insert(batch))

    thread = threading.Thread(target=overtake)
    with first.batch(0, 1) as transaction:
        transaction.insert(batch)
        thread.start()
        wait_until(lambda: blocked(engine), "the second to wait for the first")
        assert outcomes == []
    thread.join(20)
    assert outcomes == [Outcome(0, [])]
    assert_stored_once(engine, batch)
    for each in engines:
        each.dispose()


def blocked(engine: sa.Engine) -> int:
    """Sessions that wait for a lock."""
    with engine.connect() as connection:
        query = "SELECT count(*) FROM pg_stat_activity WHERE cardinality(pg_blocking_pids(pid)) > 0"
        return connection.scalar(sa.text(query)) or 0


def test_a_batch_that_fails_leaves_the_connection_fit_for_the_next(
    writer: BatchWriter, engine: sa.Engine
) -> None:
    batch = make_events(3)
    writer.ensure_partitions(batch)
    with suppress(RuntimeError), writer.batch(0, 1) as transaction:
        assert transaction.insert(batch).stored == 3
        raise RuntimeError("injected")
    assert stored_ids(engine) == {}
    assert write(writer, batch).stored == 3
