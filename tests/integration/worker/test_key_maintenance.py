"""Maintenance merges the two homes of keys: no restore of one brings a revoked key back."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from storage.access.api_key import ApiKey
from storage.access.audit import AuditLine, encode_line, newest_lines
from storage.access.homes import QUEUE, TABLE, KeyHomes
from storage.access.pending_audit import pending_lines
from storage.errors import AccessError, DatabaseUnavailable, NoHome, QueueUnavailable, UnreadableKey
from storage.postgres import partitions
from storage.postgres.engine import plain_engine
from storage.redis import keys as names
from storage.redis.client import connect
from storage.settings import StorageSettings
from testbed.waiting import wait_until
from tests.support.access import DATABASE_AWAY, QUEUE_AWAY, START, Homes, homes_of, make_key
from worker.background import Background
from worker.key_maintenance import KeyMaintenance

LATER = START + timedelta(days=1)


@pytest.fixture
def homes(settings: StorageSettings) -> Iterator[Homes]:
    with homes_of(settings) as found:
        yield found


def line(act: str, key: ApiKey) -> AuditLine:
    return AuditLine("root@host", f"keys {act}", key.id)


def maintain(homes: Homes) -> None:
    KeyMaintenance(homes.client, homes.engine).run_once()


def assert_both_have(homes: Homes, *keys: ApiKey) -> None:
    wanted = {key.id: key for key in keys}
    assert homes.queue.load()[1].keys == wanted
    assert homes.table.load().keys == wanted


def without_postgres(homes: Homes) -> KeyHomes:
    return KeyHomes(homes.client, plain_engine(DATABASE_AWAY))


def without_queue(homes: Homes) -> KeyHomes:
    return KeyHomes(connect(QUEUE_AWAY), homes.engine)


def test_a_key_made_while_one_home_is_away_gets_into_the_other(homes: Homes) -> None:
    first, second = make_key(), make_key()
    made = without_postgres(homes).put([first], line("create", first))
    assert (set(made.answers), set(made.failures)) == ({QUEUE}, {TABLE})
    made = without_queue(homes).put([second], line("create", second))
    assert (set(made.answers), set(made.failures)) == ({TABLE}, {QUEUE})
    loaded = KeyHomes(homes.client, homes.engine).load()
    assert loaded.answers[QUEUE].keys == {first.id: first}
    assert loaded.answers[TABLE].keys == {second.id: second}
    for _ in range(2):
        maintain(homes)
        assert_both_have(homes, first, second)


def test_a_key_revoked_while_one_home_is_away_is_revoked_in_the_other(homes: Homes) -> None:
    first, second = make_key(), make_key()
    for key in (first, second):
        assert not KeyHomes(homes.client, homes.engine).put([key], line("create", key)).failures
    version = homes.queue.version()
    without_postgres(homes).put([first.revoked(LATER)], line("revoke", first))
    without_queue(homes).put([second.revoked(START)], line("revoke", second))
    maintain(homes)
    assert_both_have(homes, first.revoked(LATER), second.revoked(START))
    assert homes.queue.version() != version


@pytest.mark.parametrize("restored", ["queue", "table"])
def test_a_revoked_key_stays_revoked_after_a_restore_from_before(
    homes: Homes, restored: str
) -> None:
    key, copied = make_key(), homes.copy_queue
    KeyHomes(homes.client, homes.engine).put([key], line("create", key))
    before = copied()
    homes.copy_table()
    KeyHomes(homes.client, homes.engine).put([key.revoked(LATER)], line("revoke", key))
    if restored == "queue":
        homes.restore_queue(before)
        assert homes.queue.load()[1].keys[key.id] == key
    else:
        homes.restore_table()
        assert homes.table.load().keys[key.id] == key
    maintain(homes)
    assert_both_have(homes, key.revoked(LATER))


def test_a_revocation_survives_the_restore_of_each_home_in_turn(homes: Homes) -> None:
    key = make_key()
    homes.copy_table()
    empty = homes.copy_queue()
    KeyHomes(homes.client, homes.engine).put([key], line("create", key))
    without_postgres(homes).put([key.revoked(LATER)], line("revoke", key))
    maintain(homes)
    homes.restore_queue(empty)
    maintain(homes)
    homes.restore_table()
    maintain(homes)
    assert_both_have(homes, key.revoked(LATER))


def test_the_last_use_reaches_postgres_without_a_new_version(homes: Homes) -> None:
    key, now = make_key(), datetime.now(UTC)
    KeyHomes(homes.client, homes.engine).put([key], line("create", key))
    version = homes.queue.version()
    homes.queue.record_use({key.id: now})
    maintain(homes)
    assert_both_have(homes, key.used(now))
    assert homes.queue.version() == version


def test_each_act_has_one_audit_line_whichever_home_was_away(homes: Homes) -> None:
    keys = [make_key() for _ in range(3)]
    lines = [line("create", key) for key in keys]
    KeyHomes(homes.client, homes.engine).put([keys[0]], lines[0])
    without_postgres(homes).put([keys[1]], lines[1])
    without_queue(homes).put([keys[2]], lines[2])
    assert pending_lines(homes.client) == lines[:2]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: maintain(homes), range(8)))
    assert pending_lines(homes.client) == []
    found = newest_lines(homes.engine, START, 10)
    assert sorted(one.target for one in found) == sorted(key.id for key in keys)


def test_what_can_not_be_read_is_left_and_hinders_no_other_key(homes: Homes) -> None:
    good, bad = make_key(), make_key()
    KeyHomes(homes.client, homes.engine).put([bad], line("create", bad))
    homes.client.hset(names.API_KEYS, bad.id, '{"tenant": "of a newer version"}')
    homes.client.lpush(names.PENDING_AUDIT, "garbage")
    without_postgres(homes).put([good], line("create", good))
    with pytest.raises(UnreadableKey, match=bad.id):
        maintain(homes)
    assert homes.table.load().keys == {bad.id: bad, good.id: good}
    assert homes.client.hget(names.API_KEYS, bad.id) == b'{"tenant": "of a newer version"}'
    assert homes.client.lrange(names.PENDING_AUDIT, 0, -1) == [b"garbage"]
    assert len(newest_lines(homes.engine, START, 10)) == 2
    homes.client.hdel(names.API_KEYS, bad.id)
    with pytest.raises(AccessError, match="1 entries of the queue's list keys:audit"):
        maintain(homes)
    assert_both_have(homes, good, bad)


@pytest.mark.parametrize("raw", [b"", b"{}", b"x" * 70_000])
def test_no_line_of_garbage_stops_the_move(homes: Homes, raw: bytes) -> None:
    key = make_key()
    good = encode_line(line("create", key))
    nul = good.replace(key.id.encode(), b"\\u0000")
    early = good.replace(b'"at":"2', b'"at":"1')
    homes.client.rpush(names.PENDING_AUDIT, raw, nul, early, good, good)
    with pytest.raises(AccessError, match="3 entries"):
        maintain(homes)
    assert [one.target for one in newest_lines(homes.engine, START, 10)] == [key.id]


def test_nothing_is_done_without_any_home(homes: Homes) -> None:
    nowhere = KeyHomes(connect(QUEUE_AWAY), plain_engine(DATABASE_AWAY))
    key = make_key()
    with pytest.raises(NoHome, match=r"\(the queue does not .*; PostgreSQL "):
        nowhere.put([key], line("create", key))
    with pytest.raises(NoHome):
        nowhere.load()
    with pytest.raises(QueueUnavailable):
        KeyMaintenance(connect(QUEUE_AWAY), homes.engine).run_once()
    with pytest.raises(DatabaseUnavailable):
        KeyMaintenance(homes.client, plain_engine(DATABASE_AWAY)).run_once()


def test_a_start_merges_the_homes_and_an_absent_queue_hinders_no_partition(
    settings: StorageSettings, homes: Homes
) -> None:
    def has_partitions() -> bool:
        with homes.engine.begin() as connection:
            return bool(partitions.existing(connection))

    key = make_key()
    without_queue(homes).put([key], line("create", key))
    for queue_url in (QUEUE_AWAY, settings.queue_url):
        running = Background(settings.model_copy(update={"queue_url": queue_url}))
        running.start()
        try:
            wait_until(has_partitions, "the partitions to be made")
            if queue_url == settings.queue_url:
                wait_until(lambda: homes.queue.load()[1].keys == {key.id: key}, "the merge")
        finally:
            running.stop()
        with homes.engine.begin() as connection:
            for start, end in partitions.existing(connection):
                connection.execute(sa.text(f"DROP TABLE {partitions.name_of((start, end))}"))
