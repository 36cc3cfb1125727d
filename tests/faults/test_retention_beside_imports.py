"""Import the past while `activity retention run` removes it and is killed at each of its steps."""

import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from signal import SIGKILL

import pytest
import sqlalchemy as sa

from storage.postgres.engine import plain_engine, transaction
from storage.settings import StorageSettings
from testbed.servers import environment
from testbed.service import Service, service
from testbed.waiting import wait_until
from tests.support.imports import PATH, is_balanced, item
from tests.support.retention import DAY, today

ROOT = Path(__file__).parents[2]
KEPT_DAYS = 3
AGES = (1, 2, 5, 6, 7)  # days ago: on both sides of the age, also if a day ends meanwhile
BATCH = 20
MORE = 200
# Runs a command, and kills the whole process as it enters the function that is named.
KILLED_AT = """
import os, signal, sys
from pkgutil import resolve_name
module, _, name = sys.argv[1].partition(":")
owner, _, name = f"{module}:{name}".rpartition("." if "." in name else ":")
def kill(*arguments, **options):
    os.kill(os.getpid(), signal.SIGKILL)
setattr(resolve_name(owner), name, kill)
from cli.main import main
sys.exit(main(sys.argv[2:]))
"""
STEPS = [
    "storage.retention.removal:touched_by",
    "storage.retention.removal:begin_detaching",
    "storage.cache.renewal:CacheRenewal.end",
    "storage.retention.removal:Remover._record_detached",
    "storage.retention.belongings:forget_ngrams",
    "storage.retention.belongings:forget_dead_letters",
    "storage.retention.belongings:forget_counts",
    "storage.retention.removal:record_removal",
    "storage.retention.run:record_run",
]


class Importing:
    """Imports events of the last days, each once, until it is stopped."""

    def __init__(self, running: Service) -> None:
        self._running = running
        self._today = today()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.sent: dict[str, int] = {}  # how many days ago it was created, by id
        self.failures: list[str] = []

    def _run(self) -> None:
        number = 0
        while not self._stop.wait(0.02):
            age = AGES[number % len(AGES)]
            instant = self._today - age * DAY + timedelta(hours=3)
            batch = [item(number * BATCH + n, instant) for n in range(BATCH)]
            answer = self._running.http.post(PATH, json=batch)
            if answer.status_code != 202:
                self.failures.append(answer.text)
                return
            self.sent.update((one["id"], age) for one in answer.json()["results"])
            number += 1

    def more(self) -> None:
        """Wait until more events were accepted."""
        wanted = len(self.sent) + MORE
        wait_until(lambda: self.failures or len(self.sent) >= wanted, "more events", 120)
        assert self.failures == []

    @contextmanager
    def going_on(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._stop.set()
            self._thread.join(120)


@pytest.fixture
def engine(settings: StorageSettings) -> Iterator[sa.Engine]:
    found = plain_engine(settings.database_url, 2)
    yield found
    found.dispose()


def run(settings: StorageSettings, step: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run `activity retention run`, killed at the step if one is named."""
    program = ["-m", "cli.entry"] if step is None else ["-c", KILLED_AT, step]
    return subprocess.run(
        [sys.executable, *program, "retention", "run", "--yes"],
        cwd=ROOT,
        env={**environment(settings), "ACTIVITY_RETENTION_DAYS": str(KEPT_DAYS)},
        capture_output=True,
        text=True,
        timeout=300,
    )


def is_killed(settings: StorageSettings, step: str) -> bool:
    return run(settings, step).returncode == -SIGKILL


def count(engine: sa.Engine, statement: str) -> int:
    with transaction(engine) as connection:
        return int(connection.exec_driver_sql(statement).scalar_one())


def stored(engine: sa.Engine) -> Counter[str]:
    with transaction(engine) as connection:
        return Counter(map(str, connection.scalars(sa.text("SELECT id FROM events"))))


def test_imports_beside_runs_that_are_killed_at_each_step_lose_and_double_nothing(
    settings: StorageSettings, engine: sa.Engine
) -> None:
    cutoff = today() - KEPT_DAYS * DAY
    old = f"SELECT count(*) FROM events WHERE created_at < '{cutoff}'"
    with service(settings, cache_grace_ms=0) as running:
        importing = Importing(running)
        with importing.going_on():
            for step in STEPS:
                importing.more()
                # A partition that an earlier run has left is finished by the run of the worker.
                wait_until(lambda: count(engine, old) > 0, "something to be due", 120)
                killed = partial(is_killed, settings, step)
                wait_until(killed, f"to be killed at {step}", 120)
                assert running.http.get("/events?limit=10").status_code == 200
            importing.more()
        wait_until(lambda: run(settings).returncode == 0, "retention to be done", 120)
        wait_until(lambda: is_balanced(running), "all to be stored", 120)
        wait_until(lambda: run(settings).returncode == 0, "what came late to be removed", 120)
        kept = {event for event, age in importing.sent.items() if age <= KEPT_DAYS}
        assert stored(engine) == Counter(dict.fromkeys(kept, 1))
        assert running.http.get("/events/stats").json()["total"] == len(kept)
        assert is_balanced(running)
        conservation = running.http.get("/status").json()["conservation"]
        assert conservation["accepted"] == len(importing.sent)
        assert count(engine, "SELECT count(*) FROM dead_letters") == 0
        assert (
            count(engine, "SELECT count(*) FROM removed_partitions WHERE removed_at IS NULL") == 0
        )


def test_a_run_that_is_killed_while_it_waits_for_a_reader_is_finished_by_the_next(
    settings: StorageSettings, engine: sa.Engine
) -> None:
    pending = "SELECT count(*) FROM pg_inherits WHERE inhdetachpending"
    command = [sys.executable, "-m", "cli.entry", "retention", "run", "--yes"]
    env = {**environment(settings), "ACTIVITY_RETENTION_DAYS": str(KEPT_DAYS)}
    with service(settings, workers=1, cache_grace_ms=0) as running:
        importing = Importing(running)
        with importing.going_on():
            importing.more()
        wait_until(lambda: is_balanced(running), "all to be stored", 120)
        with engine.execution_options(isolation_level="REPEATABLE READ").begin() as reading:
            reading.exec_driver_sql("SELECT count(*) FROM events")
            process = subprocess.Popen(command, cwd=ROOT, env=env, stderr=subprocess.PIPE)
            wait_until(lambda: count(engine, pending) == 1, "a partition to be leaving", 120)
            process.kill()
            process.communicate()
            assert process.returncode == -SIGKILL
            kept = {event for event, age in importing.sent.items() if age < max(AGES)}
            page = running.http.get("/events/stats").json()
            assert page["total"] == len(kept), "nobody sees what is leaving"
        wait_until(lambda: run(settings).returncode == 0, "the next run to finish it", 120)
        assert count(engine, pending) == 0
        kept = {event for event, age in importing.sent.items() if age <= KEPT_DAYS}
        assert stored(engine) == Counter(dict.fromkeys(kept, 1))
        assert is_balanced(running)
