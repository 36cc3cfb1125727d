"""Concurrent replays of dead letters: what one commits is on every page from then on."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from cli.main import main
from storage.cache.invalidation import CacheInvalidator
from storage.dead_letters import DeadLetters
from storage.model.event import Event, now_ms
from storage.model.filters import Filters
from storage.postgres.engine import plain_engine, transaction
from storage.redis.client import connect
from storage.settings import StorageSettings
from testbed.servers import TestServers
from testbed.waiting import wait_until
from tests.support.queued import add_dead_letter
from tests.support.reading import made, reader

# A session that holds a lock for others, and has nothing to commit itself.
IDLE_HOLDERS = """
    SELECT pg_terminate_backend(pid, 5000) FROM pg_locks AS held
    WHERE locktype = 'advisory' AND NOT EXISTS (
        SELECT FROM pg_locks AS writing WHERE writing.pid = held.pid
        AND writing.mode = 'RowExclusiveLock'
    )
"""
BLOCKED = "SELECT FROM pg_stat_activity WHERE cardinality(pg_blocking_pids(pid)) > 0"


@pytest.fixture
def engine(settings: StorageSettings) -> Iterator[sa.Engine]:
    found = plain_engine(settings.database_url, 5)
    yield found
    found.dispose()


def replay(engine: sa.Engine, event: Event, invalidator: CacheInvalidator) -> None:
    letters = DeadLetters(engine, "day", invalidator)
    found = letters.find(UUID(event.id))
    assert found
    assert letters.replay(found) is None


@pytest.mark.parametrize("begun", [True, False])
def test_what_is_replayed_while_another_replay_is_about_to_commit_makes_no_page_stale(
    settings: StorageSettings, servers: TestServers, engine: sa.Engine, begun: bool
) -> None:
    first, second = made(now_ms(), component="first"), made(now_ms(), component="second")
    add_dead_letter(engine, first)
    add_dead_letter(engine, second)
    asked = Filters(component=("first",))
    with ExitStack() as stack:
        control = stack.enter_context(connect(settings.control_url))
        history = stack.enter_context(reader(settings))
        other = threading.Thread(target=replay, args=(engine, second, CacheInvalidator(control)))

        class Overtaken(CacheInvalidator):
            def begin_write(self, *arguments: Any) -> None:
                if begun:
                    super().begin_write(*arguments)
                servers.execute(IDLE_HOLDERS)
                other.start()
                wait_until(lambda: is_blocked(engine) or not other.is_alive(), "the other replay")
                assert history.page(asked)[0] == []
                if not begun:
                    super().begin_write(*arguments)

        replay(engine, first, Overtaken(control))
        other.join(20)
        assert [event["id"] for event in history.page(asked)[0]] == [first.id]
        found = history.page(Filters(component=("second",)))[0]
        assert [event["id"] for event in found] == [second.id]
        assert history.served(asked).verdict == "HIT"


@pytest.mark.parametrize("command", [["replay", "--all"], ["list"]])
def test_pages_are_cached_again_after_a_replay_was_killed_before_it_ended_its_last_write(
    settings: StorageSettings,
    engine: sa.Engine,
    monkeypatch: pytest.MonkeyPatch,
    command: list[str],
) -> None:
    class Killed(CacheInvalidator):
        def end_write(self, *arguments: Any) -> None:
            raise KeyboardInterrupt

    for name in ("queue_url", "control_url", "database_url"):
        monkeypatch.setenv(f"ACTIVITY_{name.upper()}", getattr(settings, name))
    add_dead_letter(engine, event := made(now_ms()))
    asked = Filters()
    with connect(settings.control_url) as control, reader(settings) as history:
        assert history.page(asked)[0] == []
        with pytest.raises(KeyboardInterrupt):
            replay(engine, event, Killed(control))
        for _ in range(2):
            assert [found["id"] for found in history.page(asked)[0]] == [event.id]
        assert history.served(asked).verdict != "HIT"
        assert main(["dead-letters", *command]) == 0
        assert [found["id"] for found in history.page(asked)[0]] == [event.id]
        assert history.served(asked).verdict == "HIT"


def is_blocked(engine: sa.Engine) -> bool:
    with transaction(engine) as connection:
        return bool(connection.execute(sa.text(BLOCKED)).all())
