"""Kill workers while they store, refuse rows and read batches twice: the counts stay exact."""

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import redis
import sqlalchemy as sa

from storage.cache.invalidation import CacheInvalidator
from storage.dead_letters import DeadLetters
from storage.postgres.engine import plain_engine
from storage.settings import StorageSettings
from testbed.service import Service, service
from testbed.waiting import wait_until
from tests.support.hour_counts import assert_exact, count_all, spans
from tests.support.ngram_records import change, rows

KILLS = 4
INSTANTS = 24


@pytest.fixture
def engine(settings: StorageSettings) -> Iterator[sa.Engine]:
    found = plain_engine(settings.database_url, 4)
    yield found
    found.dispose()


@contextmanager
def posting(running: Service) -> Iterator[list[int]]:
    """Post batches while the block runs, one of 200 events poison; yields their number."""
    end, sent = threading.Event(), [0]

    def run() -> None:
        draw = random.Random(1)
        while not end.wait(0.05):  # what waits at the end must be stored soon
            batch = [
                {
                    "component": f"c{draw.randrange(9)}",
                    "environment": f"e{draw.randrange(3)}",
                    "message": "poison" if draw.random() < 0.002 else "x",
                }
                for _ in range(200)
            ]
            assert running.http.post("/events/batch", json=batch).status_code == 202
            sent[0] += len(batch)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield sent
    finally:
        end.set()
        thread.join(60)


def kill_a_worker(running: Service) -> None:
    killed = running.workers.pop(0)
    killed.kill()
    killed.wait(10)
    running.start_worker()


def replay_all(settings: StorageSettings, engine: sa.Engine) -> None:
    with redis.Redis.from_url(settings.control_url) as control:
        letters = DeadLetters(engine, settings.partition_by, CacheInvalidator(control))
        for letter in letters.newest(10_000):
            assert letters.replay(letter) is None


def test_counts_are_those_of_the_table_at_every_instant(
    settings: StorageSettings, engine: sa.Engine
) -> None:
    refuse = "ALTER TABLE events ADD CONSTRAINT no_poison CHECK (message <> 'poison')"
    change(engine, refuse)
    with service(settings, apis=1, workers=2) as running:
        with posting(running) as sent:
            for number in range(INSTANTS):
                before = assert_exact(engine)
                if number % (INSTANTS // KILLS) == 0:
                    kill_a_worker(running)
                wait_until(lambda before=before: assert_exact(engine) > before, "more events", 60)  # type: ignore[misc]
        status = running.http.get
        wait_until(lambda: status("/status").json()["backlog"] == 0, "everything to be stored", 90)
        dead = len(rows(engine, "SELECT FROM dead_letters"))
        assert dead > 0
        assert assert_exact(engine) == sent[0] - dead
        change(engine, "ALTER TABLE events DROP CONSTRAINT no_poison")
        replay_all(settings, engine)
    assert assert_exact(engine) == sent[0]
    count_all(engine)
    assert len(spans(engine)) == 1
    assert assert_exact(engine) == sent[0]
