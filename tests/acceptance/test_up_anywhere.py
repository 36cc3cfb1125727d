"""Start `activity up` with any variables of the shell and any name of the folder."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import httpx
import pytest

from cli.embedded.lock import folder_lock, is_held
from testbed.servers import data_folder
from testbed.waiting import wait_until
from tests.support.libpq import ODD

ROOT = Path(__file__).parents[2]
STOP_SECONDS = 90


@pytest.fixture
def parent() -> Iterator[Path]:
    """Yield a folder that the servers' user can reach; remove it after all processes have ended."""
    with data_folder() as folder:
        yield folder.parent
        for lock in folder.parent.rglob("lock"):
            wait_until(partial(is_free, lock), "the last process to be gone", 60)


def is_free(lock: Path) -> bool:
    return not is_held(lock)


def activity(*arguments: object, **more: str) -> subprocess.Popen[str]:
    """Start the command with only the given variables."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ACTIVITY_")}
    return subprocess.Popen(
        [sys.executable, "-m", "cli.main", *(os.fspath(_text(each)) for each in arguments)],
        cwd=ROOT,
        env={**kept, **more},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="surrogateescape",
    )


def _text(argument: object) -> str | os.PathLike[str]:
    return argument if isinstance(argument, os.PathLike) else str(argument)


@contextmanager
def up(data: Path, more: Mapping[str, str] | None = None) -> Iterator[httpx.Client]:
    """Run it until it is ready, and stop it in order."""
    process = activity("up", "--port", 0, "--data-dir", data, "--workers", 1, **(more or {}))
    try:
        assert process.stdout is not None
        said = process.stdout.readline()
        assert said.startswith("ready: "), process.communicate()[1]
        with httpx.Client(base_url=said.split()[1], trust_env=False, timeout=30) as client:
            yield client
        process.terminate()
        assert process.wait(STOP_SECONDS) == 0
    finally:
        process.kill()
        process.communicate()


def test_up_stores_events_whatever_the_shell_says_about_another_postgresql(parent: Path) -> None:
    with up(parent / "data", ODD) as client:
        event = {"component": "c", "environment": "e", "message": "m"}
        answer = client.post("/events?ack=stored", json=event)
        assert answer.status_code in (201, 202), answer.text
        path = f"/events/{answer.json()['id']}"
        wait_until(lambda: client.get(path).json()["receipt"] == "stored", "it to be stored", 60)


ODD_NAME = Path(os.fsdecode(b"cost$HOME 12\" disk, 100% \\ it's \xff"))


def test_up_and_status_work_on_a_folder_with_a_very_odd_name(parent: Path) -> None:
    data = parent / ODD_NAME
    with up(data) as client:
        assert client.get("/health/ready?for=query").status_code == 200
        for form in ([], ["--json"]):
            status = activity("status", *form, "--data-dir", data)
            said, complaints = status.communicate(timeout=60)
            assert (status.returncode, complaints) == (0, "")
            assert "postgres" in said


def test_up_that_is_interrupted_while_it_waits_for_the_folder_says_that_it_did_not_start(
    parent: Path,
) -> None:
    with folder_lock_of(parent / "data"):
        process = activity("up", "--port", 0, "--data-dir", parent / "data")
        assert process.stderr is not None
        assert "waiting up to" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        said, complaints = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "stopped" not in said + complaints
    assert f"not started: interrupted while waiting for the data folder {parent}" in complaints


def test_up_that_is_interrupted_before_it_is_ready_does_not_say_that_it_served(
    parent: Path,
) -> None:
    process = activity("up", "--port", 0, "--data-dir", parent / "data")
    made = parent / "data" / "log" / "postgres.log"
    wait_until(made.exists, "the servers to be started", 60)
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert said == f"stopped before it was ready; the data is in {parent / 'data'}\n"


@contextmanager
def folder_lock_of(data: Path) -> Iterator[None]:
    """Return the lock of the folder, as another run holds it."""
    data.mkdir()
    with folder_lock(data / "lock"):
        yield


def test_up_finds_every_acknowledged_event_after_a_power_cut_that_left_zeros(parent: Path) -> None:
    data = parent / "data"
    ids: list[str] = []
    with suppress(AssertionError), up(data) as client:  # it does not stop in order
        processes = json.loads(activity("status", "--json", "--data-dir", data).communicate()[0])
        pids = {(one["role"], one["pid"]) for one in processes["processes"]}
        workers = [pid for role, pid in pids if role == "worker"]
        for worker in workers:
            os.kill(worker, signal.SIGSTOP)  # a posted event stays in the queue
        for number in range(50):
            event = {"component": "c", "environment": "e", "message": f"m {number}"}
            ids.append(client.post("/events", json=event).json()["id"])
        (supervisor,) = [pid for role, pid in pids if role == "supervisor"]
        for pid in (supervisor, *workers):
            os.kill(pid, signal.SIGKILL)
    assert len(ids) == 50
    wait_until(lambda: not is_held(data / "lock"), "the last process to be gone", 60)
    (file,) = (data / "queue" / "appendonlydir").glob("*.incr.aof")
    with file.open("ab") as end:
        end.write(b"\0" * 512)
    with up(data) as client:
        for one in ids:
            assert client.get(f"/events/{one}").status_code == 200
        page = {"component": "c", "limit": "100"}
        wait_until(
            lambda: len(client.get("/events", params=page).json()["events"]) == 50, "all stored", 60
        )
