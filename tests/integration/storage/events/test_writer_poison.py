"""Storing a batch: only poison becomes a dead letter, and the others are stored."""

import pytest
import sqlalchemy as sa

from storage.errors import RefusedShare
from storage.events.writer import BatchWriter
from storage.model.event import encode_event
from storage.postgres.tables import dead_letters
from tests.support import batch_writing
from tests.support.batch_writing import POISON, write
from tests.support.queued import assert_stored_once, dead_ids, make_event, make_events, stored_ids

engine = batch_writing.engine
writing = batch_writing.writing
writer = batch_writing.writer


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
