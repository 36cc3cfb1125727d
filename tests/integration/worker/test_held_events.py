"""Drains while a person is erased, and legal holds keep waiting events as they are."""

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from storage.cache.invalidation import CacheInvalidator
from storage.erasure.runner import run_pending
from storage.events.ledger import read_accounts
from storage.events.writer import BatchTransaction, BatchWriter
from storage.model.event import Event, now_ms, to_datetime
from storage.postgres.engine import plain_engine
from storage.queue.lease import ShardLease
from storage.redis import keys
from storage.retention.holds import LegalHold, LegalHolds
from testbed.waiting import wait_until
from tests.support import drain_bench
from tests.support import erasing as support
from tests.support.drain_bench import Bench, Gate, Killed, Running, failing_once
from tests.support.erasing import JO, ErasureBench, names_jo
from tests.support.queued import append, backlog, make_event, state, stored_messages

bench, erasing = drain_bench.bench, support.erasing

HOUR_MS = 3_600_000
ANN = "ann@example.com"
MINE, HELD, OTHER = "of Jo", f"Ann wrote to {JO}", f"nobody wrote to {JO}"
RAW = f"no event, of {JO}".encode()
APPENDED = 4


@pytest.fixture
def holds(erasing: ErasureBench) -> LegalHolds:
    return LegalHolds(erasing.engine, "somebody@host")


def waiting_events() -> list[Event]:
    """Make events of two hours ago, and one of now."""
    ms = now_ms() - 2 * HOUR_MS
    return [
        make_event(MINE, ms, email="Jo.Do@example.com"),
        make_event(HELD, ms, email="Ann@example.com", data=b'{"to": ["JO.do@example.com"]}'),
        make_event(OTHER, now_ms() - 500),
    ]


def append_all(bench: Bench) -> None:
    append(bench.settings, waiting_events())
    bench.queue.xadd(keys.stream(0), {"e": RAW})


def hold_of(kind: str, holds: LegalHolds) -> LegalHold:
    """Add a hold of an email, or of the time two hours ago."""
    if kind != "a time":
        return holds.add("a lawsuit", email=kind)
    start, end = (to_datetime(now_ms() - hours * HOUR_MS) for hours in (3, 1))
    return holds.add("a lawsuit", start, end)


def assert_waits_for_the_hold(erasing: ErasureBench) -> None:
    assert run_pending(erasing.engine, erasing.eraser())
    ((waits_for,),) = erasing.rows("SELECT waits_for FROM erasures")
    assert "a lawsuit" in str(waits_for)


def assert_erased_and_balanced(bench: Bench, erasing: ErasureBench) -> None:
    """Finish the erasure, and check that nothing is left and each entry is accounted for."""
    erasing.finish()
    left = erasing.rows("SELECT message, data::text, email FROM events")
    left += erasing.rows("SELECT encode(event, 'escape') FROM dead_letters")
    assert not [one for one in left if names_jo(repr(one).encode())]
    assert_balanced(bench)


def assert_balanced(bench: Bench) -> None:
    assert read_accounts(bench.engine)[0].total == APPENDED
    assert backlog(bench.queue) == bench.queue.hlen(keys.ids(0)) == 0
    found = state(bench.queue)
    assert int(found["trimmed"]) + int(found["foreign"]) == APPENDED
    bench.assert_no_pending_tags()


def redacted(text: str) -> str:
    return text.replace(JO, "[erased]")


@pytest.mark.parametrize(
    ("kind", "kept", "letter"),
    [
        ("a time", [MINE, HELD, redacted(OTHER)], redacted(RAW.decode())),
        (ANN, [HELD, redacted(OTHER)], RAW.decode()),
        (JO, [MINE, redacted(HELD), redacted(OTHER)], RAW.decode()),
    ],
)
def test_what_a_hold_covers_is_stored_as_it_is_and_erased_without_the_hold(
    bench: Bench, erasing: ErasureBench, holds: LegalHolds, kind: str, kept: list[str], letter: str
) -> None:
    append_all(bench)
    begun = erasing.begin()
    hold = hold_of(kind, holds)
    assert bench.drain(bench.worker()) == "done"
    assert stored_messages(bench.engine) == Counter(kept)
    if HELD in kept:
        ((data,),) = erasing.rows("SELECT data::text FROM events WHERE data IS NOT NULL")
        assert data == '{"to": ["JO.do@example.com"]}'
    assert erasing.rows("SELECT encode(event, 'escape') FROM dead_letters") == [(letter,)]
    account = read_accounts(bench.engine)[0]
    assert (account.stored, account.erased, account.dead) == (len(kept), 3 - len(kept), 1)
    assert_waits_for_the_hold(erasing)
    assert stored_messages(bench.engine) == Counter(kept)
    holds.remove(hold.id)
    assert_erased_and_balanced(bench, erasing)
    assert erasing.record(begun).deleted == int(MINE in kept)


def test_data_that_is_stored_for_a_hold_is_found_though_everything_was_looked_at_before(
    bench: Bench, erasing: ErasureBench, holds: LegalHolds
) -> None:
    """No index finds it, so the scan of all events must come after the last drain."""
    late = make_event("of Ann", now_ms() - HOUR_MS, email=ANN, data=b'["JO.do@example.com"]')
    append(bench.settings, [late])
    begun = erasing.begin()
    assert run_pending(erasing.engine, erasing.eraser())
    assert erasing.record(begun).step == "queue"
    hold = hold_of(ANN, holds)
    assert bench.drain(bench.worker()) == "done"
    assert_waits_for_the_hold(erasing)
    holds.remove(hold.id)
    erasing.finish()
    assert erasing.rows("SELECT data::text FROM events") == [('["[erased]"]',)]


@pytest.mark.parametrize(
    ("owner", "step", "when"),
    [
        (BatchTransaction, "insert", "after"),
        (BatchTransaction, "record_counts", "after"),
        (CacheInvalidator, "end_write", "before"),
        (ShardLease, "acknowledge", "before"),
        (ShardLease, "acknowledge", "after"),
    ],
)
def test_a_killed_drain_that_keeps_events_for_a_hold_is_balanced_by_the_next_one(
    bench: Bench,
    erasing: ErasureBench,
    holds: LegalHolds,
    monkeypatch: pytest.MonkeyPatch,
    owner: type,
    step: str,
    when: str,
) -> None:
    append_all(bench)
    erasing.begin()
    hold_of("a time", holds)
    killed_and_taken_over(bench, monkeypatch, owner, step, when, lambda: None)
    assert stored_messages(bench.engine) == Counter([MINE, HELD, redacted(OTHER)])
    assert_balanced(bench)


ROLLED_BACK, COMMITTED = (BatchTransaction, "record_counts"), (CacheInvalidator, "end_write")


@pytest.mark.parametrize(("owner", "step"), [ROLLED_BACK, COMMITTED])
def test_a_hold_that_is_removed_after_a_kill_keeps_nothing_any_more(
    bench: Bench,
    erasing: ErasureBench,
    holds: LegalHolds,
    monkeypatch: pytest.MonkeyPatch,
    owner: type,
    step: str,
) -> None:
    append_all(bench)
    erasing.begin()
    hold = hold_of("a time", holds)
    killed_and_taken_over(bench, monkeypatch, owner, step, "before", lambda: holds.remove(hold.id))
    assert (MINE in stored_messages(bench.engine)) == ((owner, step) == COMMITTED)
    assert_erased_and_balanced(bench, erasing)


@pytest.mark.parametrize(("owner", "step"), [ROLLED_BACK, COMMITTED])
def test_a_hold_that_is_added_after_a_kill_keeps_what_is_still_on_the_queue(
    bench: Bench,
    erasing: ErasureBench,
    holds: LegalHolds,
    monkeypatch: pytest.MonkeyPatch,
    owner: type,
    step: str,
) -> None:
    append_all(bench)
    erasing.begin()
    killed_and_taken_over(
        bench, monkeypatch, owner, step, "before", lambda: hold_of("a time", holds)
    )
    assert MINE in stored_messages(bench.engine)
    assert_balanced(bench)
    assert_waits_for_the_hold(erasing)


def killed_and_taken_over(
    bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
    owner: type,
    step: str,
    when: str,
    meanwhile: Callable[[], object],
) -> None:
    """Let a drain die at a step, and the next one come after `meanwhile`."""
    with monkeypatch.context() as patched:
        failing_once(patched, owner, step, when, Killed())
        with pytest.raises(Killed):
            bench.drain(bench.worker())
    meanwhile()
    bench.expire()
    assert bench.drain(bench.worker()) == "done"


def test_a_hold_that_comes_before_the_transaction_of_a_batch_is_kept(
    bench: Bench, erasing: ErasureBench, holds: LegalHolds, monkeypatch: pytest.MonkeyPatch
) -> None:
    append_all(bench)
    erasing.begin()
    gate = gate_at(monkeypatch, BatchWriter, "ensure_partitions")
    running = Running(bench, bench.worker())
    assert gate.reached.wait(20)
    hold_of(JO, holds)
    gate.open.set()
    assert running.join() == "done"
    assert MINE in stored_messages(bench.engine)


def test_a_hold_is_added_only_after_the_batch_that_does_not_know_it(
    bench: Bench, erasing: ErasureBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once it is added, what it touches stays: so none is added between asking and COMMIT."""
    append_all(bench)
    erasing.begin()
    gate = gate_at(monkeypatch, BatchTransaction, "record_counts")
    running = Running(bench, bench.worker())
    assert gate.reached.wait(20)
    engine = plain_engine(bench.settings.database_url)
    adding = threading.Thread(target=hold_of, args=(JO, LegalHolds(engine, "somebody@host")))
    adding.start()
    waiting = """
        SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    """
    wait_until(lambda: erasing.rows(waiting), "the hold to wait", 60)
    gate.open.set()
    assert running.join() == "done"
    adding.join(60)
    engine.dispose()
    assert erasing.rows("SELECT reason FROM legal_holds") == [("a lawsuit",)]
    assert MINE not in stored_messages(bench.engine)
    assert_balanced(bench)


def gate_at(monkeypatch: pytest.MonkeyPatch, owner: type, name: str) -> Gate:
    """Let the first call of a method stop before its work."""
    gate = Gate()
    original: Any = getattr(owner, name)

    def stop(*args: Any) -> Any:
        if not gate.reached.is_set():
            gate.stop_here()
        return original(*args)

    monkeypatch.setattr(owner, name, stop)
    return gate
