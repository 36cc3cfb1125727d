"""Storing a batch: text arrives unchanged, once, also when two writers store it."""

import json
import threading
from contextlib import suppress

import pytest
import sqlalchemy as sa

from storage.errors import LeaseLost
from storage.events.writer import BatchWriter, Outcome
from storage.postgres.engine import writing_engine
from storage.postgres.tables import events
from storage.settings import StorageSettings
from testbed.waiting import wait_until
from tests.support import batch_writing
from tests.support.batch_writing import stored_row, write
from tests.support.queued import assert_stored_once, make_event, make_events, stored_ids

engine = batch_writing.engine
writing = batch_writing.writing
writer = batch_writing.writer

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
