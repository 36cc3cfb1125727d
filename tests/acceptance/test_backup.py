"""Back up a service under load, restore it elsewhere, and look at what is there."""

import json
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from cli.embedded.lock import is_held
from storage.redis import keys
from storage.redis.client import connect
from testbed.servers import data_folder
from testbed.waiting import wait_until
from tests.acceptance.test_up import ACTIVITY, ROOT, environment, status, up
from tests.support.erasing import tables_with
from tests.support.runbook import commands

JO = "jo@example.com"
EVENT = {"component": "order", "environment": "production", "message": "paid"}


@pytest.fixture
def folders() -> Iterator[Path]:
    """Return a folder for data folders and backups."""
    with data_folder() as parent:
        folder = parent.parent
        yield folder
        locks = list(folder.glob("*/lock"))
        wait_until(lambda: not any(map(is_held, locks)), "the last process to be gone")


def activity(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*ACTIVITY, *map(str, arguments)],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=300,
    )


def document(*arguments: object) -> dict[str, Any]:
    """Return what a command that succeeds says as JSON."""
    ended = activity(*arguments, "--json")
    assert ended.returncode == 0, ended.stderr + ended.stdout
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


@dataclass
class Load:
    """Producers that note when each of their events was acknowledged."""

    url: str
    acknowledged: list[tuple[float, str]] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self, number: int) -> None:
        with httpx.Client(base_url=self.url, trust_env=False, timeout=60) as client:
            while not self.stop.is_set():
                answer = client.post("/events", json={**EVENT, "data": {"producer": number}})
                if answer.status_code == 202:
                    self.acknowledged.append((time.time(), answer.json()["id"]))
                self.stop.wait(0.005)

    def before(self, instant: float) -> set[str]:
        return {event for at, event in list(self.acknowledged) if at < instant}


@contextmanager
def load(url: object) -> Iterator[Load]:
    running = Load(str(url))
    threads = [threading.Thread(target=running.run, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: len(running.acknowledged) > 100, "some events", 60)
        yield running
    finally:
        running.stop.set()
        for thread in threads:
            thread.join()


@contextmanager
def engine_of(data: Path) -> Iterator[sa.Engine]:
    engine = sa.create_engine(json.loads((data / "state.json").read_text())["database_url"])
    yield engine
    engine.dispose()


@contextmanager
def nothing_is_stored(data: Path) -> Iterator[None]:
    """Keep every worker from storing: what is posted in the block waits on the queue."""
    with engine_of(data) as engine, engine.connect() as blocking:
        blocking.execute(sa.text("LOCK TABLE drain_ledger IN SHARE MODE"))
        yield


def stored_ids(data: Path) -> list[str]:
    with engine_of(data) as engine, engine.connect() as connection:
        return [str(each) for each in connection.scalars(sa.text("SELECT id FROM events"))]


def position(client: httpx.Client) -> str:
    return str(client.get("/events/changes", params={"limit": 1}).json()["next"])


def test_a_backup_under_load_has_every_event_that_was_acknowledged_before_it(
    folders: Path,
) -> None:
    source, backup, restored = folders / "source", folders / "backup", folders / "restored"
    with up(source) as (_, client):
        with load(client.base_url) as running:
            before = position(client)
            began = time.time()
            made = document("backup", backup, "--data-dir", source)
            wait_until(lambda: running.acknowledged[-1][0] > time.time() - 5, "load goes on")
        expected = running.before(began)
        everything = {event for _, event in running.acknowledged}
    assert expected < everything
    done = document("restore", backup, "--data-dir", restored)
    assert done["missing"] == 0
    assert done["waiting"] == {}
    assert done["complete_until"] == made["complete_until"]
    with up(restored) as (_, client):
        found = stored_ids(restored)
        assert len(found) == len(set(found)), "nothing is doubled"
        assert expected <= set(found) <= everything
        conservation = status(restored)["service"]["conservation"]  # type: ignore[index]
        assert conservation["balanced"] is True
        assert conservation["accepted"] == conservation["trimmed"] == len(found)
        gone = client.get("/events/changes", params={"after": before})
        assert gone.status_code == 410, gone.text
        after = client.post("/events", json=EVENT, headers={"Prefer": "wait=60"}).json()["id"]
        wait_until(
            lambda: client.get(f"/events/{after}").json()["receipt"] == "stored", "one more", 60
        )
        assert status(restored)["service"]["conservation"]["balanced"] is True  # type: ignore[index]


def test_what_waits_on_the_queue_is_in_a_backup_and_stored_by_the_restore(folders: Path) -> None:
    """No worker could store anything: everything that was acknowledged is on the queue alone."""
    source, backup, restored = folders / "source", folders / "backup", folders / "restored"
    with up(source) as (_, client), nothing_is_stored(source):
        key = {"Idempotency-Key": "once"}
        ids = [client.post("/events", json=EVENT).json()["id"] for _ in range(5)]
        ids.append(client.post("/events", json=EVENT, headers=key).json()["id"])
        document("backup", backup, "--data-dir", source)
        assert stored_ids(source) == []
    done = document("restore", backup, "--data-dir", restored)
    assert (done["missing"], done["waiting"], done["stored"]) == (0, {}, 6)
    assert done["forgotten_idempotency_keys"] == 1
    with up(restored) as (_, client):
        assert sorted(stored_ids(restored)) == sorted(ids)
        assert status(restored)["service"]["conservation"]["balanced"] is True  # type: ignore[index]


def test_a_folder_that_is_not_empty_or_in_use_takes_no_restore_and_no_backup(
    folders: Path,
) -> None:
    source, backup = folders / "source", folders / "backup"
    with up(source) as (_, client):
        client.post("/events", json=EVENT)
        document("backup", backup, "--data-dir", source)
        image = sorted(backup.rglob("*"))
        again = activity("backup", backup, "--data-dir", source)
        assert (again.returncode, "is not empty" in again.stderr) == (1, True)
        inside = activity("backup", source / "backup", "--data-dir", source)
        assert (inside.returncode, "contain one another" in inside.stderr) == (1, True)
        used = activity("restore", backup, "--data-dir", source)
        assert (used.returncode, "is not empty" in used.stderr) == (1, True)
        assert client.get("/health/ready").status_code == 200
    assert sorted(backup.rglob("*")) == image
    (backup / "queue/appendonlydir/more").symlink_to("/etc/passwd")
    changed = activity("restore", backup, "--data-dir", folders / "new")
    assert (changed.returncode, "more was not in it" in changed.stderr) == (1, True)
    assert not (folders / "new").exists()
    wait_until(lambda: not is_held(source / "lock"), "the last process to be gone")
    stopped = activity("backup", folders / "other", "--data-dir", source)
    assert (stopped.returncode, "nothing runs" in stopped.stderr) == (1, True)
    assert not (folders / "other").exists()


def test_the_commands_of_the_page_for_operators_back_up_and_restore(folders: Path) -> None:
    found = [words for words in commands("activity") if words[0] in ("backup", "restore")]
    assert [words[0] for words in found] == ["backup", "restore"]
    with up(folders / ".data") as (_, client):
        event = client.post("/events", json=EVENT).json()["id"]
        for words in found:
            ended = subprocess.run(
                [*ACTIVITY, *words],
                cwd=folders,
                env={**environment(), "PYTHONPATH": str(ROOT)},
                capture_output=True,
                text=True,
                timeout=300,
            )
            assert ended.returncode == 0, ended.stderr
            assert "every event that was acknowledged before" in ended.stdout
    with up(folders / "restored") as (_, client):
        assert client.get(f"/events/{event}").status_code == 200


def add_no_event(data: Path, raw: bytes) -> None:
    """Put an entry on the queue that becomes a dead letter."""
    url = json.loads((data / "state.json").read_text())["queue_url"]
    with connect(url) as queue:
        queue.xadd(keys.stream(0), {"e": raw})


def test_who_was_erased_after_a_backup_is_erased_again_by_its_restore(folders: Path) -> None:
    source, backup, restored = folders / "source", folders / "backup", folders / "restored"
    kept = folders / "erasures.json"
    with up(source) as (_, client):
        for email in (JO, "ann@example.com"):
            client.post(
                "/events", json={**EVENT, "email": email}, headers={"Prefer": "wait=60"}
            ).raise_for_status()
        told = {**EVENT, "message": "mail to Jo@Example.com"}
        client.post("/events", json=told, headers={"Prefer": "wait=60"}).raise_for_status()
        with nothing_is_stored(source):
            for waiting in ({"email": JO}, {"message": f"waits, to {JO}", "data": {"to": [JO]}}):
                client.post("/events", json={**EVENT, **waiting}).raise_for_status()
            add_no_event(source, f"no event, of {JO}".encode())
            document("backup", backup, "--data-dir", source)
        with engine_of(source) as engine:
            everywhere = ["dead_letters", "events"]
            wait_until(lambda: sorted(tables_with(engine, JO)) == everywhere, "all of Jo", 120)
        document("erase", "--email", "JO@example.com", "--data-dir", source)
        kept.write_text(activity("erase", "--records", "--data-dir", source).stdout)
    assert "jo@" not in kept.read_text().lower()
    faulty = folders / "faulty.json"
    faulty.write_text('[{"id": 5}]')
    refused = activity("restore", backup, "--data-dir", restored, "--erasures", faulty)
    assert refused.returncode == 2
    assert "Nothing was changed" in refused.stderr
    missing = activity("restore", backup, "--data-dir", restored, "--erasures", "no such file")
    assert missing.returncode == 2
    assert "--erasures can't be read: no such file: No such file" in missing.stderr
    assert not restored.exists()
    done = document("restore", backup, "--data-dir", restored, "--erasures", kept)
    assert (done["missing"], done["erasures_again"], done["erasures_waiting"]) == (0, 1, {})
    with up(restored) as (_, client):
        with engine_of(restored) as engine:
            assert tables_with(engine, JO) == []
            assert tables_with(engine, "no event, of [erased]") == ["dead_letters"]
        events = client.get("/events", params={"fresh": "true"}).json()["events"]
        messages = sorted(event["message"] for event in events)
        assert messages == ["mail to [erased]", "paid", "waits, to [erased]"]
        assert [event["email"] for event in events if event.get("email")] == ["ann@example.com"]
        assert status(restored)["service"]["conservation"]["balanced"] is True  # type: ignore[index]
