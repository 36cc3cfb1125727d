"""An entry that is no event becomes a dead letter with its bytes; the accounts stay balanced."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from cli.main import main
from storage.cache.invalidation import CacheInvalidator
from storage.events.ledger import read_ledger
from storage.model.event import encode_event, now_ms
from storage.postgres.tables import dead_letters
from storage.queue.inspector import Inspector, ShardState
from storage.queue.lease import ShardLease
from storage.queue.producer import QueueProducer
from storage.redis import keys
from storage.redis.client import connect_async
from tests.support import drain_bench
from tests.support.queued import (
    append,
    assert_stored_once,
    backlog,
    dead_ids,
    id_bytes,
    make_event,
    make_events,
    state,
)

Bench = drain_bench.Bench
bench = drain_bench.bench


def add(bench: Bench, **fields: bytes) -> None:
    """As a stranger does."""
    bench.queue.xadd(keys.stream(0), fields)  # type: ignore[arg-type]


def accept(bench: Bench, items: list[bytes]) -> None:
    """As an API process of another version does: id, event, id, event ..."""

    async def run() -> None:
        client = connect_async(bench.settings.queue_url)
        try:
            await QueueProducer(client, bench.settings.shards).append(0, now_ms(), items)
        finally:
            await client.aclose()

    asyncio.run(run())


def letters(bench: Bench) -> Sequence[sa.Row[Any]]:
    with bench.engine.connect() as connection:
        return connection.execute(sa.select(dead_letters)).all()


def inspected(bench: Bench) -> ShardState:
    async def ask() -> ShardState:
        client = connect_async(bench.settings.queue_url)
        try:
            return (await Inspector(client, 1).shards())[0]
        finally:
            await client.aclose()

    return asyncio.run(ask())


def test_garbage_is_a_dead_letter_with_its_bytes_and_the_rest_is_stored(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    good = make_events(20)
    append(bench.settings, good[:10])
    add(bench, e=b"garbage \xff\x00")
    append(bench.settings, good[10:])
    assert bench.drain(bench.worker()) == "done"
    assert_stored_once(bench.engine, good)
    assert backlog(bench.queue) == 0
    (letter,) = letters(bench)
    assert bytes(letter.event) == b"garbage \xff\x00"
    assert "shard 0, entry " in letter.reason
    assert "dead letters" in caplog.text
    assert "last_error" not in state(bench.queue)


def test_nothing_but_garbage_is_dead_lettered_and_the_shard_goes_idle(bench: Bench) -> None:
    for number in range(300):
        add(bench, x=b"%d" % number)
    assert bench.drain(bench.worker()) == "done"
    assert (backlog(bench.queue), len(letters(bench))) == (0, 300)
    assert "st" not in state(bench.queue)


def test_the_accounts_balance_before_and_after_and_the_bytes_too(bench: Bench) -> None:
    good = make_events(20)
    append(bench.settings, good[:10])
    add(bench, e=b"garbage" * 1000)
    add(bench, e=encode_event(stranger := make_event("never accepted")))
    append(bench.settings, good[10:])
    found = inspected(bench)
    assert (found.unaccounted, found.foreign_backlog, found.backlog) == (0, 2, 22)
    assert bench.drain(bench.worker(batch_events=7)) == "done"
    found = inspected(bench)
    assert (found.unaccounted, found.accepted, found.trimmed) == (0, 20, 20)
    assert (found.foreign, found.foreign_backlog, found.bytes) == (2, 0, 0)
    account = read_ledger(bench.engine).accounts[0]
    assert (account.stored, account.dead, account.duplicates) == (21, 1, 0)
    assert_stored_once(bench.engine, [*good, stranger])


@pytest.mark.parametrize("step", ["end_write", "acknowledge"])
def test_garbage_that_is_read_twice_is_dead_lettered_and_counted_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    append(bench.settings, make_events(3))
    add(bench, e=b"garbage")
    owner = CacheInvalidator if step == "end_write" else ShardLease
    with monkeypatch.context() as patched:
        drain_bench.failing_once(patched, owner, step, "before", drain_bench.Killed())
        with pytest.raises(drain_bench.Killed):
            bench.drain(bench.worker())
    bench.expire()
    assert bench.drain(bench.worker()) == "done"
    assert len(letters(bench)) == 1
    account = read_ledger(bench.engine).accounts[0]
    assert (account.stored, account.dead, account.duplicates) == (3, 1, 0)
    assert inspected(bench).foreign == 1


def test_an_accepted_event_that_can_not_be_read_keeps_its_id_and_leaves_the_index(
    bench: Bench,
) -> None:
    good, bad = make_events(5), make_event()
    items = [id_bytes(bad), b"a form of the future"]
    accept(bench, items)
    append(bench.settings, good)
    assert bench.drain(bench.worker()) == "done"
    assert dead_ids(bench.engine) == {bad.id: 1}
    assert not bench.queue.exists(keys.ids(0))
    found = inspected(bench)
    assert (found.accepted, found.trimmed, found.foreign, found.bytes) == (6, 6, 0, 0)


@pytest.mark.parametrize("unreadable", [0, 3])
def test_events_of_a_stranger_that_postgresql_refuses_hold_up_nobody_however_many(
    bench: Bench, unreadable: int
) -> None:
    for number in range(20):
        add(bench, e=encode_event(make_event(f"x\0{number}")))
        if number < unreadable:
            add(bench, e=b"garbage")
    good, bad = make_events(20), make_event("x\0y")
    append(bench.settings, [*good, bad])
    assert bench.drain(bench.worker()) == "done"
    assert_stored_once(bench.engine, good)
    assert sum(dead_ids(bench.engine).values()) == 21 + unreadable
    found = inspected(bench)
    assert (found.unaccounted, found.foreign, found.bytes) == (0, 20 + unreadable, 0)


def test_accepted_events_that_postgresql_refuses_pause_the_shard_among_a_strangers_too(
    bench: Bench,
) -> None:
    refused = [make_event(f"x\0{number}") for number in range(11)]
    for event in refused:
        add(bench, e=encode_event(event))
    append(bench.settings, refused)
    assert bench.drain(bench.worker()) == "paused"
    assert "refused" in state(bench.queue)["last_error"]
    assert dead_ids(bench.engine) == {}


def test_events_of_a_form_that_nothing_here_can_read_are_not_all_dead_lettered(
    bench: Bench,
) -> None:
    items = [part for one in make_events(11) for part in (id_bytes(one), b"a form of the future")]
    accept(bench, items)
    assert bench.drain(bench.worker()) == "paused"
    assert "no event" in state(bench.queue)["last_error"]
    assert (backlog(bench.queue), letters(bench)) == (11, [])


def test_the_command_copes_with_what_is_no_event(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("queue_url", "control_url", "database_url"):
        monkeypatch.setenv(f"ACTIVITY_{name.upper()}", getattr(bench.settings, name))
    add(bench, e=b"\x1b[2Jgarbage\xff")
    add(bench, e=b"[1]")
    assert bench.drain(bench.worker()) == "done"
    assert main(["dead-letters", "list"]) == 0
    assert capsys.readouterr().out.count("no event") == 2
    wanted = next(UUID(str(row.id)) for row in letters(bench) if b"garbage" in bytes(row.event))
    assert main(["dead-letters", "show", str(wanted)]) == 0
    assert capsys.readouterr().out.splitlines()[1] == r"\x1b[2Jgarbage\xff"
    assert main(["dead-letters", "replay", "--all"]) == 1
    assert capsys.readouterr().out.count("no event") == 2
    assert len(letters(bench)) == 2
    assert main(["dead-letters", "discard", str(wanted)]) == 0
    assert len(letters(bench)) == 1


def test_a_replay_stores_what_has_become_readable(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("queue_url", "control_url", "database_url"):
        monkeypatch.setenv(f"ACTIVITY_{name.upper()}", getattr(bench.settings, name))
    add(bench, e=b"garbage")
    assert bench.drain(bench.worker()) == "done"
    event = make_event("mended")
    with bench.engine.begin() as connection:
        connection.execute(dead_letters.update().values(event=encode_event(event)))
    assert main(["dead-letters", "replay", "--all"]) == 0
    assert_stored_once(bench.engine, [event])
    assert letters(bench) == []
