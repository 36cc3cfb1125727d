"""Run `activity up`: the whole service on a folder of its own, as `make up` starts it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from cli.embedded.lock import is_held
from cli.process.inspection import alive
from testbed.servers import data_folder
from testbed.waiting import wait_until

ROOT = Path(__file__).parents[2]
EVENT = {"component": "up", "environment": "test", "message": "yesterday"}
ACTIVITY = [sys.executable, "-m", "cli.main"]


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return a data folder with a blank in its path, as below `My Projects`."""
    with data_folder() as parent:
        data = parent.with_name("my data")
        yield data
        wait_until(lambda: not is_held(data / "lock"), "the last process to be gone")


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("ACTIVITY_")}


@contextmanager
def up(data: Path) -> Iterator[tuple[subprocess.Popen[str], httpx.Client]]:
    """Yield a run that is ready, and a client for it."""
    command = [*ACTIVITY, "up", "--port", "0", "--data-dir", str(data), "--api-processes", "2"]
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        ready = process.stdout.readline()
        assert ready.startswith("ready: http://")
        with httpx.Client(base_url=ready.split()[1], trust_env=False, timeout=30) as client:
            yield process, client
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def status(data: Path) -> dict[str, object]:
    command = [*ACTIVITY, "status", "--json", "--data-dir", str(data)]
    answer = subprocess.run(
        command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=True
    )
    found: dict[str, object] = json.loads(answer.stdout)
    return found


def roles_of(found: dict[str, object]) -> list[str]:
    return [entry["role"] for entry in found["processes"]]  # type: ignore[attr-defined]


def messages(client: httpx.Client) -> list[str]:
    return [event["message"] for event in client.get("/events").json()["events"]]


def post_stored(client: httpx.Client) -> None:
    event_id = client.post("/events", json=EVENT).json()["id"]
    path = f"/events/{event_id}"
    wait_until(lambda: client.get(path).json()["receipt"] == "stored", "it to be stored")


@pytest.mark.parametrize("command", ["up", "api"])
def test_an_invalid_setting_ends_the_command_and_not_each_of_its_processes(
    folder: Path, command: str
) -> None:
    ran = subprocess.run(
        [*ACTIVITY, command, "--port", "0"],
        cwd=ROOT,
        env=environment() | {"ACTIVITY_EVENT_BYTES": "many", "ACTIVITY_DATA_DIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ran.returncode != 0
    assert "ACTIVITY_EVENT_BYTES: Input should be a valid integer" in ran.stderr
    assert not folder.exists()


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_it_stops_in_good_order_and_a_second_start_shows_yesterdays_events(
    folder: Path, stop: signal.Signals
) -> None:
    with up(folder) as (process, client):
        post_stored(client)
        found = status(folder)
        process.send_signal(stop)
        assert process.wait(30) == 0
    roles = [entry["role"] for entry in found["processes"]]  # type: ignore[attr-defined]
    assert sorted(roles) == [
        "api", "api", "control", "postgres", "queue", "supervisor", "worker", "worker",
    ]  # fmt: skip
    assert found["service"]["conservation"]["balanced"] is True  # type: ignore[index]
    pids = [entry["pid"] for entry in found["processes"]]  # type: ignore[attr-defined]
    assert not any(map(alive, pids))
    with up(folder) as (process, client):
        assert messages(client) == ["yesterday"]


def test_a_kill_9_leaves_no_process_behind_and_loses_nothing(folder: Path) -> None:
    with up(folder) as (process, client):
        post_stored(client)
        event_id = client.post("/events", json={**EVENT, "message": "the last"}).json()["id"]
        pids = [entry["pid"] for entry in status(folder)["processes"]]  # type: ignore[attr-defined]
        process.kill()
        wait_until(lambda: not any(map(alive, pids)), "every process to be gone")
    with up(folder) as (process, client):
        assert client.get(f"/events/{event_id}").status_code == 200
        wait_until(lambda: messages(client) == ["the last", "yesterday"], "both events")


def test_workers_are_added_and_removed_while_it_runs(folder: Path) -> None:
    with up(folder) as (_, client):
        more = subprocess.Popen(
            [*ACTIVITY, "worker", "--processes", "2", "--data-dir", str(folder)],
            cwd=ROOT,
            env=environment(),
        )
        try:
            wait_until(lambda: client.get("/status").json()["workers"] == 4, "two more workers", 60)
            assert roles_of(status(folder)).count("worker") == 4
            assert more.pid in [entry["pid"] for entry in status(folder)["processes"]]  # type: ignore[attr-defined]
            for _ in range(20):
                assert client.post("/events", json=EVENT).status_code == 202
            more.terminate()
            assert more.wait(30) == 0
        finally:
            more.kill()
            more.wait()
        wait_until(lambda: client.get("/status").json()["workers"] == 2, "them to be gone", 60)
        assert roles_of(status(folder)).count("worker") == 2
        assert not list((folder / "joined").iterdir())
        wait_until(lambda: len(messages(client)) == 20, "all events to be stored")
