"""`activity up` starts whatever the shell says and however the folder is called."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from cli.embedded.lock import is_held
from tests.support.libpq import ODD
from tests.support.servers import data_folder
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]
STOP_SECONDS = 90


@pytest.fixture
def parent() -> Iterator[Path]:
    """A folder that the servers' user can reach, removed when no process of a run is left."""
    with data_folder() as folder:
        yield folder.parent
        for lock in folder.parent.rglob("lock"):
            wait_until(lambda held=lock: not is_held(held), "the last process to be gone", 60)


def activity(*arguments: object, **more: str) -> subprocess.Popen[str]:
    """The command, with nothing set but what is given."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ACTIVITY_")}
    return subprocess.Popen(
        [sys.executable, "-m", "cli.main", *map(os.fspath, map(_text, arguments))],
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
    """A run that is ready and stops in good order."""
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
