"""`activity restore --own-servers`: queue and PostgreSQL that were restored by other means."""

import json
from typing import Any

import pytest
import redis
import sqlalchemy as sa

from cli.main import main
from storage.erasure.eraser import Eraser, lent_servers
from storage.erasure.runner import run_pending
from storage.events.ledger import read_ledger
from storage.model.erasing import Address
from storage.postgres.engine import short_engine, writing_engine
from storage.redis import keys
from storage.redis.client import connect
from storage.retention.holds import LegalHolds
from storage.settings import StorageSettings
from testbed.waiting import wait_until
from tests.integration.storage.queue.test_counters import balanced
from tests.support.queued import append, make_event, make_events
from worker.emptying import empty_shards

RESTORE = ["restore", "--own-servers", "--json"]


@pytest.fixture
def queue(settings: StorageSettings, monkeypatch: pytest.MonkeyPatch) -> redis.Redis:
    for name in ("queue_url", "control_url", "database_url"):
        monkeypatch.setenv(f"ACTIVITY_{name.upper()}", getattr(settings, name))
    return connect(settings.queue_url)


def feed_id(settings: StorageSettings) -> str:
    with short_engine(settings.database_url) as engine, engine.connect() as connection:
        return str(connection.scalar(sa.text("SELECT feed_id FROM feed_identity")))


def stored(settings: StorageSettings) -> int:
    with short_engine(settings.database_url) as engine, engine.connect() as connection:
        return int(connection.scalar(sa.text("SELECT count(*) FROM events")) or 0)


def said(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def store(settings: StorageSettings, count: int) -> None:
    append(settings, make_events(count))
    assert empty_shards(settings, settings.shards) == {}
    with connect(settings.control_url) as control:
        control.flushall()


def test_a_queue_that_is_older_than_postgresql_balances_and_doubles_nothing(
    settings: StorageSettings, queue: redis.Redis, capsys: pytest.CaptureFixture[str]
) -> None:
    store(settings, 5)
    append(settings, make_events(3))
    older: dict[Any, Any] = {name: queue.dump(name) for name in queue.keys("events:*")}
    store(settings, 4)
    queue.flushall()
    for name, content in older.items():
        queue.restore(name, 0, content)
    feed = feed_id(settings)
    assert main(RESTORE) == 0
    assert said(capsys) == {
        "stored": 3,
        "waiting": {},
        "erasures_again": 0,
        "erasures_waiting": {},
        "forgotten_idempotency_keys": 0,
    }
    assert stored(settings) == 12
    assert balanced(settings)
    with short_engine(settings.database_url) as engine:
        accounts = read_ledger(engine).accounts.values()
    assert sum(account.stored for account in accounts) == 12
    assert sum(account.duplicates for account in accounts) == 0, "no entry is counted twice"
    assert feed_id(settings) != feed
    store(settings, 2)
    assert balanced(settings)


def test_a_postgresql_that_is_older_than_the_queue_balances(
    settings: StorageSettings, queue: redis.Redis, capsys: pytest.CaptureFixture[str]
) -> None:
    store(settings, 5)
    store(settings, 4)
    with short_engine(settings.database_url) as engine, engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM events"))
        connection.execute(sa.text("UPDATE drain_ledger SET stored = 0, entry = '0-0'"))
    queue.set(keys.idempotency_record(0, b"lost"), "x")
    append(settings, make_events(3))
    assert main(RESTORE) == 0
    assert said(capsys) == {
        "stored": 3,
        "waiting": {},
        "erasures_again": 0,
        "erasures_waiting": {},
        "forgotten_idempotency_keys": 1,
    }
    assert (stored(settings), balanced(settings)) == (3, True)


def test_an_empty_queue_beside_a_full_postgresql_balances(
    settings: StorageSettings, queue: redis.Redis, capsys: pytest.CaptureFixture[str]
) -> None:
    store(settings, 5)
    queue.flushall()
    assert main(RESTORE) == 0
    assert said(capsys)["stored"] == 0
    assert balanced(settings)
    store(settings, 2)
    assert (stored(settings), balanced(settings)) == (7, True)


def test_it_refuses_while_the_service_runs_or_control_has_data(
    settings: StorageSettings, queue: redis.Redis, capsys: pytest.CaptureFixture[str]
) -> None:
    feed = feed_id(settings)
    engine = writing_engine(settings.database_url)
    with engine.connect():
        assert main(RESTORE) == 1
        assert "activity-drain" in capsys.readouterr().err
    engine.dispose()
    with connect(settings.control_url) as control:
        control.set("cache:page:old", "x")
        assert main(RESTORE) == 1
        assert "FLUSHALL" in capsys.readouterr().err
        control.flushall()
    assert feed_id(settings) == feed


def test_events_that_postgresql_refuses_still_wait_and_balance(
    settings: StorageSettings, queue: redis.Redis, capsys: pytest.CaptureFixture[str]
) -> None:
    store(settings, 1)
    append(settings, make_events(30))
    with short_engine(settings.database_url) as engine, engine.begin() as connection:
        connection.execute(
            sa.text("ALTER TABLE events ADD CONSTRAINT none CHECK (false) NOT VALID")
        )
    assert main(RESTORE) == 0
    answer = said(capsys)
    assert answer["stored"] == 0
    assert list(answer["waiting"])
    assert balanced(settings)


def test_it_says_how_many_persons_wait_to_be_erased_again_and_for_which_hold(
    settings: StorageSettings, queue: redis.Redis, capsys: pytest.CaptureFixture[str]
) -> None:
    with lent_servers(settings, settings.shards) as servers:
        eraser = Eraser(servers, in_flight_ms=0)
        begun = eraser.begin(Address.of("jo@example.com"), "somebody@host", rewrite=False)
        wait_until(lambda: run_pending(servers.engine, eraser) is False, "the erasure", 120)
        hold = LegalHolds(servers.engine).add("a lawsuit", email="jo@example.com")
        servers.control.flushall()
    append(settings, [make_event("of Jo", begun.before_ms - 1, email="jo@example.com")])
    assert main([*RESTORE[:-1]]) == 0
    told = capsys.readouterr()
    assert "erased again" not in told.out
    assert "activity: 1 person is not erased again yet; workers go on" in told.err
    assert f"{hold.id} (a lawsuit)" in told.err
    with connect(settings.control_url) as control:
        control.flushall()
    assert main(RESTORE) == 0
    answer = said(capsys)
    assert (answer["erasures_again"], list(answer["erasures_waiting"])) == (0, [str(begun.id)])


@pytest.mark.parametrize("words", [["restore"], ["restore", "folder", "--own-servers"]])
def test_a_folder_or_the_servers_of_ones_own_and_not_both(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    assert "and not both" in capsys.readouterr().err
