"""Both homes of API keys on real servers: what merges into them, and what they never take back."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
import sqlalchemy as sa

from storage.access import key_queue
from storage.access.api_key import ApiKey
from storage.access.audit import AuditLine, newest_lines
from storage.access.key_json import encode_key
from storage.access.key_queue import KeyQueue
from storage.access.key_reader import KeyReader
from storage.access.key_records import KeyRecords
from storage.access.key_table import KeyTable
from storage.access.pending_audit import pending_lines
from storage.errors import (
    DatabaseMismatch,
    DatabaseUnavailable,
    QueueUnavailable,
    TooManyAuditLines,
    TooManyKeys,
    UnreadableKey,
)
from storage.postgres.engine import plain_engine, reading_engine
from storage.postgres.migrate import downgrade
from storage.redis import keys as names
from storage.redis.client import connect
from storage.settings import StorageSettings
from tests.support.access import DATABASE_AWAY, QUEUE_AWAY, START, full_key, make_key

LINE = AuditLine("root@host", "keys create", "0aZ9bY8x")


@pytest.fixture
def client(settings: StorageSettings) -> Iterator[redis.Redis]:
    with connect(settings.queue_url) as found:
        yield found


@pytest.fixture
def engine(settings: StorageSettings) -> Iterator[sa.Engine]:
    found = plain_engine(settings.database_url, 8)
    yield found
    found.dispose()


@pytest.fixture
def queue(client: redis.Redis) -> KeyQueue:
    return KeyQueue(client)


@pytest.fixture
def table(engine: sa.Engine) -> KeyTable:
    return KeyTable(engine)


@pytest.fixture(params=["queue", "table"])
def home(request: pytest.FixtureRequest) -> KeyQueue | KeyTable:
    found: KeyQueue | KeyTable = request.getfixturevalue(request.param)
    return found


def records(home: KeyQueue | KeyTable) -> KeyRecords:
    return home.load() if isinstance(home, KeyTable) else home.load()[1]


def put(home: KeyQueue | KeyTable, *keys: ApiKey, **more: Any) -> None:
    home.merge({key.id: key for key in keys}, **more)


def test_a_home_keeps_every_field(home: KeyQueue | KeyTable) -> None:
    assert records(home) == KeyRecords()
    key, other = full_key(), make_key()
    put(home, key, other)
    assert records(home) == KeyRecords({key.id: key, other.id: other})
    put(home)
    put(home, key)
    assert records(home) == KeyRecords({key.id: key, other.id: other})


def test_a_merge_only_lowers_the_revocation_and_raises_the_last_use(
    home: KeyQueue | KeyTable,
) -> None:
    key, soon, later = make_key(), START + timedelta(days=1), START + timedelta(days=2)
    put(home, key.revoked(later).used(soon))
    for older in (key, key.revoked(later), key.revoked(soon), key.used(later), key):
        put(home, older)
    assert records(home).keys[key.id] == key.revoked(soon).used(later)


def test_a_forged_record_revokes_the_key(home: KeyQueue | KeyTable) -> None:
    key = make_key()
    put(home, key)
    put(home, replace(key, digest=b"f" * 32, name="forged"))
    assert not records(home).keys[key.id].is_valid_at(START)
    assert records(home).keys[key.id] == key.merge(replace(key, digest=b"f" * 32, name="forged"))


def test_merges_at_once_lose_nothing(home: KeyQueue | KeyTable) -> None:
    keys = [make_key() for _ in range(8)]

    def merge(number: int) -> None:
        put(home, *(key.used(START + timedelta(hours=number)) for key in keys))
        put(home, keys[number].revoked(START + timedelta(days=number + 1)))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(merge, range(8)))
    last = START + timedelta(hours=7)
    assert records(home).keys == {
        key.id: key.used(last).revoked(START + timedelta(days=number + 1))
        for number, key in enumerate(keys)
    }


def test_more_keys_than_the_maximum_are_refused_and_known_ones_still_change(
    home: KeyQueue | KeyTable,
) -> None:
    first, second = make_key(), make_key()
    put(home, first, second)
    for _ in range(2):
        with pytest.raises(TooManyKeys, match="2"):
            put(home, make_key(), max_records=2)
    put(home, first.revoked(START), max_records=2)
    put(home, first.revoked(START), max_records=1)
    assert records(home).keys == {first.id: first.revoked(START), second.id: second}


def test_many_records_go_in_parts(home: KeyQueue | KeyTable) -> None:
    keys = {key.id: key for key in (make_key() for _ in range(1_203))}
    home.merge(keys)
    assert records(home).keys == keys


def test_the_version_changes_with_each_change_but_that_of_a_use(queue: KeyQueue) -> None:
    key = make_key()
    versions = [queue.version()]
    for change in (key, key.revoked(START + timedelta(days=1)), key.revoked(START), make_key()):
        put(queue, change)
        versions.append(queue.version())
    assert versions[0] == ""
    assert len(set(versions)) == 5
    put(queue, key, key.revoked(START + timedelta(days=9)))
    put(queue, key.used(START))
    queue.record_use({key.id: START + timedelta(hours=1), "unknown0": START})
    assert queue.version() == versions[-1]
    assert queue.load()[0] == versions[-1]
    assert records(queue).keys[key.id] == key.revoked(START).used(START + timedelta(hours=1))
    assert "unknown0" not in records(queue).keys


def test_the_same_changes_after_a_restore_have_another_version(
    queue: KeyQueue, client: redis.Redis
) -> None:
    """Compare with a counter, which would say the same number for other keys."""
    put(queue, make_key())
    saved = {name: client.dump(name) for name in (names.API_KEYS, names.API_KEYS_VERSION)}
    put(queue, make_key())
    seen = queue.version()
    for name, dump in saved.items():
        client.restore(name, 0, dump, replace=True)  # type: ignore[arg-type]
    put(queue, make_key())
    assert queue.version() != seen


@pytest.mark.parametrize(
    ("field", "raw"),
    [("0aZ9bY8x", b"garbage"), ("0aZ9bY8x", encode_key(make_key())), ("\xff\xfe", b"{}")],
)
def test_garbage_on_the_queue_costs_only_its_own_id(
    queue: KeyQueue, client: redis.Redis, field: str, raw: bytes
) -> None:
    good = make_key()
    put(queue, good)
    client.hset(names.API_KEYS, field.encode("latin1"), raw)
    found = records(queue)
    assert found.keys == {good.id: good}
    assert len(found.unreadable) == 1
    put(queue, good.revoked(START))
    queue.record_use({"0aZ9bY8x": START})
    if field == "0aZ9bY8x":
        with pytest.raises(UnreadableKey, match="HDEL keys 0aZ9bY8x"):
            put(queue, replace(good, id="0aZ9bY8x"))


@pytest.mark.parametrize(
    "change",
    [
        "scopes = '{erase}'",
        "scopes = '{}'",
        "digest = ''",
        "components = ARRAY[NULL]::text[]",
        "events_per_second = 0",
        "id = 'foo'",
        "name = ''",
    ],
)
def test_garbage_in_the_table_costs_only_its_own_id(
    table: KeyTable, engine: sa.Engine, change: str
) -> None:
    good, bad = make_key(), make_key()
    put(table, good, bad)
    with engine.begin() as connection:
        connection.execute(sa.text(f"UPDATE api_keys SET {change} WHERE id = :id"), {"id": bad.id})
    found = table.load()
    assert found.keys == {good.id: good}
    assert found.unreadable == {"foo" if change == "id = 'foo'" else bad.id}
    put(table, good.revoked(START))
    if "id" not in change:
        with pytest.raises(UnreadableKey, match="delete the row"):
            put(table, bad)


@pytest.mark.parametrize("instant", ["infinity", "-infinity", "10000-01-01", "0001-01-01 BC"])
def test_the_table_refuses_times_that_python_can_not_read(
    table: KeyTable, engine: sa.Engine, instant: str
) -> None:
    key = make_key()
    put(table, key)
    for column in ("created_at", "expires_at", "revoked_at", "last_used_at"):
        change = sa.text(f"UPDATE api_keys SET {column} = :instant")
        with pytest.raises(sa.exc.IntegrityError), engine.begin() as connection:
            connection.execute(change, {"instant": instant})
    assert table.load().keys == {key.id: key}


def test_a_change_and_its_audit_line_are_one_step(
    queue: KeyQueue,
    table: KeyTable,
    client: redis.Redis,
    engine: sa.Engine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    key = make_key()
    for _ in range(2):  # a repeated act after a lost answer is one line in the table
        put(queue, key, line=LINE)
        put(table, key, lines=[LINE])
    assert pending_lines(client) == [LINE] * 2
    assert newest_lines(engine, START, 10) == [LINE]
    monkeypatch.setattr(key_queue, "MAX_AUDIT_LINES", 2)
    version = queue.version()
    with pytest.raises(TooManyAuditLines):
        put(queue, key.revoked(START), line=LINE)
    with pytest.raises(TooManyKeys):
        put(table, make_key(), lines=[replace(LINE, id=LINE.id)], max_records=1)
    with pytest.raises(TooManyKeys):
        put(queue, make_key(), line=LINE, max_records=1)
    assert queue.version() == version
    assert records(queue).keys == table.load().keys == {key.id: key}
    assert client.llen(names.PENDING_AUDIT) == 2


def test_a_key_can_be_revoked_while_the_queue_has_no_memory(
    queue: KeyQueue, client: redis.Redis
) -> None:
    key = make_key()
    put(queue, key)
    limit = client.config_get("maxmemory")["maxmemory"] or ""
    client.config_set("maxmemory", 1)
    try:
        put(queue, key.revoked(START), line=LINE)
    finally:
        client.config_set("maxmemory", limit)
    assert records(queue).keys[key.id].revoked_at == START


def test_too_many_foreign_records_are_not_read(
    queue: KeyQueue, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_queue, "MAX_RECORDS", 3)
    client.hset(names.API_KEYS, mapping={str(n): "x" for n in range(4)})
    with pytest.raises(TooManyKeys, match="4 fields"):
        queue.load()


def test_homes_that_are_away_say_so(settings: StorageSettings) -> None:
    nowhere = connect(QUEUE_AWAY)
    with pytest.raises(QueueUnavailable):
        KeyQueue(nowhere).load()
    with pytest.raises(QueueUnavailable):
        put(KeyQueue(nowhere), make_key())
    away = plain_engine(DATABASE_AWAY)
    with pytest.raises(DatabaseUnavailable):
        KeyTable(away).load()


def test_a_table_that_is_missing_is_a_database_that_is_not_migrated(
    table: KeyTable, settings: StorageSettings
) -> None:
    downgrade(settings.database_url, "0002")
    with pytest.raises(DatabaseMismatch):
        table.load()
    with pytest.raises(DatabaseMismatch):
        put(table, make_key())


def test_an_api_process_reads_both_homes(
    settings: StorageSettings, queue: KeyQueue, table: KeyTable, client: redis.Redis
) -> None:
    key, other = make_key(), make_key()
    put(queue, key)
    put(table, other)
    reading = reading_engine(settings.database_url, 1)
    reader = KeyReader(client, reading)
    away = KeyReader(connect(QUEUE_AWAY), reading)

    async def read() -> None:
        version, found = await reader.load_queue()
        assert await reader.version() == version == queue.version() != ""
        assert found.keys == {key.id: key}
        assert (await reader.load_table()).keys == {other.id: other}
        now = datetime.now(UTC)
        await reader.record_use({key.id: now})
        assert records(queue).keys[key.id] == key.used(now)
        assert await away.version() is None
        with pytest.raises(QueueUnavailable):
            await away.load_queue()

    asyncio.run(read())
    reader.close()
    away.close()
    reading.dispose()
