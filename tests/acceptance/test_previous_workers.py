"""The workers of before the latest migration, on the database after it.

A deployment replaces them one after the other, and each event must be stored all the same.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from storage.events.ledger import read_ledger
from storage.postgres import schema
from storage.settings import StorageSettings
from testbed.service import Service, service
from testbed.waiting import wait_until
from tests.support.data_folders import reachable_folder
from tests.support.previous_release import extract, previous_commit, revision_of

EVENTS: list[dict[str, Any]] = [
    {"component": "order", "environment": "test", "message": "plain"},
    {"component": "order", "environment": "test", "message": "é☃", "email": "a@example.com"},
    {"component": "b", "environment": "test", "message": "data", "data": {"n": [1.5, None]}},
    {
        "component": "b",
        "environment": "test",
        "message": "at",
        "occurred_at": "2026-11-01T00:00:00Z",
    },
]
SECONDS = 90


@pytest.fixture(scope="module")
def code() -> Iterator[Path]:
    with reachable_folder() as folder:
        extract(previous_commit(), folder)
        yield folder


@pytest.fixture
def running(settings: StorageSettings) -> Iterator[Service]:
    with service(settings, workers=0) as found:
        yield found


@pytest.fixture
def worker(code: Path, running: Service) -> Iterator[subprocess.Popen[bytes]]:
    """Run a worker of the earlier code, with the libraries that are installed here."""
    env = {**running.env, "PYTHONPATH": str(code), "PATH": os.defpath}
    process = subprocess.Popen([sys.executable, "-m", "worker"], cwd=code, env=env)
    yield process
    process.kill()
    process.wait()


def oldest_workers(engine: sa.Engine) -> str:
    with engine.connect() as connection:
        comment = str(connection.scalar(sa.text(f"SELECT {schema.COMMENT}")))
    return str(re.findall("[0-9]{4}", comment)[1])


def test_it_is_the_code_of_before_the_latest_migration(code: Path) -> None:
    assert revision_of(code) < schema.known_revision()


@pytest.mark.one_server(reason="earlier workers may know no cluster")
def test_workers_of_before_the_latest_migration_store_events_or_refuse_aloud(
    code: Path, running: Service, worker: subprocess.Popen[bytes], settings: StorageSettings
) -> None:
    engine = sa.create_engine(settings.database_url)
    ids = [str(running.post(**event)["id"]) for event in EVENTS]
    if oldest_workers(engine) > revision_of(code):
        wait_until(lambda: refuses(running), "the reason in GET /status", SECONDS)
        engine.dispose()
        return
    batch = running.http.post("/events/batch", json=EVENTS * 50)
    assert batch.status_code == 202, batch.text
    ids += [each["id"] for each in batch.json()["results"]]
    wait_until(lambda: running.http.get("/status").json()["backlog"] == 0, "all stored", SECONDS)
    assert worker.poll() is None
    found = running.by_ids(ids[:50])
    assert len(found["events"]) == 50
    count = running.http.get("/events/stats", params={"component": "b", "from_date": "-1h"})
    assert count.json()["total"] == 2 + 100
    conservation = running.http.get("/status").json()["conservation"]
    assert (conservation["balanced"], conservation["accounted"]) == (True, len(ids))
    (account,) = [one for one in read_ledger(engine).accounts.values() if one.total]
    assert account.stored == len(ids)
    engine.dispose()


def refuses(running: Service) -> bool:
    said = running.http.get("/status").json()["attention"]
    return any("needs workers of migration" in reason for reason in said)
