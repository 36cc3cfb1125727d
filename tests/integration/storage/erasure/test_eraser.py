"""Erasing a person from the history: every step, killed at each of them, and repeated."""

from typing import Any

import pytest
import redis
import sqlalchemy as sa

from storage.cache.renewal import CacheRenewal
from storage.erasure import files, forgetting, letters, mentions, owned, records, rewriting
from storage.erasure.eraser import WRITER, Eraser
from storage.erasure.runner import run_pending
from storage.errors import DatabaseUnavailable
from storage.events.figures import read_figures
from storage.events.hour_counts import read_differing
from storage.events.insertion import insert_event
from storage.events.ngram_builder import record_next
from storage.model.erasing import Address
from storage.model.event import now_ms, to_datetime
from storage.postgres import locks
from storage.postgres.engine import outside_transaction, transaction
from storage.postgres.locks import Lock
from storage.postgres.tables import audit_log
from storage.redis import keys
from storage.retention.holds import LegalHolds
from tests.support import erasing as support
from tests.support.drain_bench import Killed
from tests.support.erasing import (
    DAY_MS,
    JO,
    ErasureBench,
    assert_history_is_erased,
    files_with,
    history,
    names_jo,
)
from tests.support.queued import add_dead_letter, append, dead_ids, make_event

erasing = support.erasing


def test_a_person_is_gone_and_everything_else_stays(erasing: ErasureBench) -> None:
    erasing.store(history())
    begun = erasing.begin()
    erasing.finish()
    assert_history_is_erased(erasing)
    found = erasing.record(begun)
    assert (found.step, found.deleted, found.redacted) == ("done", 3, 6)
    assert found.finished_at is not None
    assert list(found.remains) == []
    assert erasing.queue.keys("*erasing*") == []


def test_events_from_after_stay(erasing: ErasureBench) -> None:
    erasing.store(history(1))
    begun = erasing.begin()
    later = make_event("Jo again, jo.do@example.com", begun.before_ms, email=JO)
    erasing.store([later])
    erasing.finish()
    assert erasing.rows("SELECT message FROM events WHERE email = 'jo.do@example.com'") == [
        ("Jo again, jo.do@example.com",)
    ]


def test_dead_letters_are_erased_with_their_original_bytes(erasing: ErasureBench) -> None:
    mine = make_event("of Jo", email=JO)
    other = make_event("of another", data=b'{"to":"jo.do\\u0040example.com","n":1.0}')
    broken = make_event("broken")
    for event, raw in ((mine, None), (other, None), (broken, b"\xff names Jo.Do@example.com")):
        add_dead_letter(erasing.engine, event, raw)
    begun = erasing.begin()
    erasing.finish()
    assert set(dead_ids(erasing.engine)) == {other.id, broken.id}
    kept = [bytes(row[0]) for row in erasing.rows("SELECT event FROM dead_letters ORDER BY id")]  # type: ignore[call-overload]
    assert not any(map(names_jo, kept))
    assert b'{"to":"[erased]","n":1.0}' in b"".join(kept)
    assert b"\xff names [erased]" in kept
    assert erasing.record(begun).letters == 3


STEPS = [
    (owned, "delete_some"),
    (mentions, "redact_some"),
    (letters, "erase_some"),
    (forgetting, "forget_ngrams"),
    (forgetting, "forget_pages"),
    (files, "clean"),
    (rewriting, "rewrite"),
    (rewriting, "rewrite_small_tables"),
    (CacheRenewal, "begin"),
    (CacheRenewal, "end"),
    (records, "go_to"),
    (Eraser, "entomb"),
    (Eraser, "_fence"),
]


def begin_and_finish(erasing: ErasureBench) -> None:
    erasing.begin(rewrite=True)
    erasing.finish()


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("owner", "name"), STEPS, ids=lambda each: getattr(each, "__name__", each))
def test_an_erasure_that_is_killed_at_any_step_ends_the_same(
    erasing: ErasureBench, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, when: str
) -> None:
    erasing.store(history(2))
    add_dead_letter(erasing.engine, make_event("of Jo", email=JO))
    original = getattr(owner, name)
    with monkeypatch.context() as patched:

        def die(*args: Any, **more: Any) -> None:
            if when == "after":
                original(*args, **more)
            raise Killed

        patched.setattr(owner, name, die)
        with pytest.raises(Killed):
            begin_and_finish(erasing)
    if (owner, name, when) == (Eraser, "entomb", "before"):  # it never began: ask again
        erasing.begin(rewrite=True)
        with transaction(erasing.engine) as connection:
            changed = sa.text("UPDATE erasures SET started_at = now() - interval '1 hour'")
            connection.execute(changed)
    erasing.finish()
    assert_history_is_erased(erasing, 2)
    assert dead_ids(erasing.engine) == {}
    assert erasing.queue.keys("*erasing*") == []
    assert not CacheRenewal(erasing.control, WRITER).has_begun()
    assert erasing.rows("SELECT count(*) FROM erasure_hours") == [(0,)]


def test_the_figures_tell_for_how_long_an_erasure_is_under_way(erasing: ErasureBench) -> None:
    begun = erasing.begin()
    with transaction(erasing.engine) as connection:
        earlier = sa.text("UPDATE erasures SET started_at = started_at - interval '2 hours'")
        connection.execute(earlier)
    assert 7_200 <= read_figures(erasing.engine).erasure_age < 14_400
    erasing.finish()
    assert erasing.record(begun).finished_at is not None
    assert read_figures(erasing.engine).erasure_age == 0


def test_two_erasures_of_one_person_and_one_of_another_at_once(erasing: ErasureBench) -> None:
    erasing.store(history())
    both = [
        erasing.begin(),
        erasing.begin("JO.do@example.com"),
        erasing.begin("banjo.do@example.com"),
    ]
    erasing.finish()
    messages = erasing.rows("SELECT message FROM events WHERE message LIKE '%@%'")
    assert messages == []
    assert [erasing.record(one).step for one in both] == ["done"] * 3
    assert len({one.digest for one in both}) == 2


def test_one_that_begins_too_slowly_leaves_no_tombstone(
    erasing: ErasureBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    eraser = erasing.eraser()
    original = eraser.entomb

    def slowly(stone: Any) -> None:
        original(stone)
        with transaction(erasing.engine) as connection:
            connection.execute(sa.text("DELETE FROM erasures"))

    monkeypatch.setattr(eraser, "entomb", slowly)
    with pytest.raises(DatabaseUnavailable, match="too long"):
        eraser.begin(Address.of(JO), "somebody@host", rewrite=False)
    assert erasing.queue.keys("*erasing*") == []


def test_one_process_at_a_time_works_on_erasures(erasing: ErasureBench) -> None:
    erasing.begin()
    with outside_transaction(erasing.engine) as other:
        assert locks.try_acquire_for_session(other, Lock.ERASURE)
        assert run_pending(erasing.engine, erasing.eraser()) is None
        locks.release_for_session(other, Lock.ERASURE)
    erasing.finish()


def test_it_waits_for_events_from_before_and_for_those_on_their_way(erasing: ErasureBench) -> None:
    append(erasing.settings, [make_event("of Jo", email=JO)])
    begun = erasing.begin()
    assert run_pending(erasing.engine, erasing.eraser())
    found = erasing.record(begun)
    assert (found.step, found.waits_for) == (
        "queue",
        "workers: events from before wait on 1 shards of the queue",
    )
    erasing.queue.xtrim(keys.stream(0), maxlen=0)
    patient = Eraser(erasing.servers)
    assert run_pending(erasing.engine, patient)
    assert "on their way" in str(erasing.record(begun).waits_for)
    erasing.finish()
    assert erasing.record(begun).waits_for is None


def test_a_lost_address_is_told_and_another_erasure_takes_over(erasing: ErasureBench) -> None:
    erasing.store(history(1))
    first = erasing.begin()
    with transaction(erasing.engine) as connection:
        records.change(connection, first.id, step="events")
    erasing.queue.flushdb()
    assert run_pending(erasing.engine, erasing.eraser())
    assert "erase it again" in str(erasing.record(first).waits_for)
    second = erasing.begin()
    erasing.finish()
    assert_history_is_erased(erasing, 1)
    assert str(second.id) in erasing.record(first).remains[0]


def test_a_replay_that_has_read_a_letter_before_stores_nothing(erasing: ErasureBench) -> None:
    from storage.cache.invalidation import CacheInvalidator
    from storage.dead_letters import DeadLetters

    for event in (make_event("of Jo", email=JO), make_event(f"for {JO}")):
        add_dead_letter(erasing.engine, event)
    replays = DeadLetters(erasing.engine, "day", CacheInvalidator(erasing.control))
    read = replays.newest(10)
    erasing.begin()
    erasing.finish()
    assert [replays.store(letter).result for letter in read] == ["gone", "gone"]
    assert erasing.rows("SELECT count(*) FROM events") == [(0,)]


def test_a_search_never_misses_what_was_written_over(erasing: ErasureBench) -> None:
    events = history(3)
    erasing.store(events)
    before = to_datetime(now_ms() + 1)
    while record_next(erasing.engine, before):
        pass
    erasing.begin()
    erasing.finish()
    valid = """
        SELECT count(*) FROM message_spans WHERE late IS NULL AND lengths IS NOT NULL
        AND EXISTS (SELECT FROM events WHERE created_at >= start_at AND created_at < end_at)
    """
    assert erasing.rows(valid) == [(0,)]
    while record_next(erasing.engine, before):
        pass
    grams = erasing.rows(
        "SELECT DISTINCT gram FROM message_grams WHERE gram IN ('[erase', 'mail t')"
    )
    assert {gram for (gram,) in grams} == {"[erase", "mail t"}


def test_counts_by_hour_are_exact_afterwards(erasing: ErasureBench) -> None:
    from storage.events import hour_counter

    erasing.store(history(2))
    hour_counter.count_missing(erasing.engine)
    erasing.begin(rewrite=True)
    erasing.finish()
    for ms in (now_ms() - 1_000, now_ms() - DAY_MS - 1_000):
        hour = to_datetime(ms).replace(minute=0, second=0, microsecond=0)
        assert read_differing(erasing.engine, hour) == 0
    assert erasing.rows("SELECT sum(n) FROM event_hours") == [(8,)]


def test_the_audit_log_has_the_hash_and_never_the_address(erasing: ErasureBench) -> None:
    begun = erasing.begin()
    erasing.finish()
    with transaction(erasing.engine) as connection:
        lines = connection.execute(sa.select(audit_log).order_by(audit_log.c.at)).all()
    assert [(one.action, one.target, one.actor) for one in lines] == [
        ("erase", begun.digest.hex(), "somebody@host"),
        ("erase finished", begun.digest.hex(), "somebody@host"),
    ]
    assert not any(names_jo(str(line).encode()) for line in lines)
    assert begun.is_of(Address.of(JO.upper()))
    assert not begun.is_of(Address.of("another@example.com"))


def test_a_queue_that_does_not_rewrite_its_log_is_told(
    erasing: ErasureBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise redis.ResponseError("unknown command 'BGREWRITEAOF'")

    monkeypatch.setattr(erasing.queue, "bgrewriteaof", refuse)
    begun = erasing.begin()
    erasing.finish()
    found = erasing.record(begun)
    assert found.step == "done"
    assert "BGREWRITEAOF" in found.remains[0]


def test_each_erasure_has_a_rewrite_of_the_log_that_began_after_it(erasing: ErasureBench) -> None:
    eraser = erasing.eraser()
    for email in ("a@b.example", "c@d.example"):
        erasing.begin(email)
        erasing.finish(eraser)
        left = files_with(erasing.settings, erasing.engine, email.encode())
        assert not [name for name in left if name.startswith("queue/")]


def test_a_hold_that_comes_later_stops_an_erasure(erasing: ErasureBench) -> None:
    erasing.store(history(1))
    begun = erasing.begin()
    holds = LegalHolds(erasing.engine, "somebody@host")
    hold = holds.add("a lawsuit", start=to_datetime(0))
    assert run_pending(erasing.engine, erasing.eraser())
    assert "a lawsuit" in str(erasing.record(begun).waits_for)
    assert erasing.rows("SELECT count(*) FROM events") == [(5,)]
    holds.remove(hold.id)
    erasing.finish()
    assert_history_is_erased(erasing, 1)


def test_an_event_that_is_inserted_by_hand_is_no_obstacle(erasing: ErasureBench) -> None:
    erasing.store(history(1))
    with transaction(erasing.engine) as connection:
        insert_event(connection, make_event("a % sign, and jo.do@example.com \\ \t", email=None))
    erasing.begin()
    erasing.finish()
    assert erasing.rows("SELECT message FROM events WHERE message LIKE 'a %'") == [
        ("a % sign, and [erased] \\ \t",)
    ]
