"""A fork of a preloaded process is, for a test, the process that `python -m MODULE` would be."""

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.settings import StorageSettings
from testbed.processes import Forked, preloading, start
from testbed.servers import environment
from testbed.waiting import wait_until


@pytest.fixture(scope="module", autouse=True)
def _preloading() -> Iterator[None]:
    with preloading():
        yield


@pytest.fixture(scope="module")
def silent() -> Iterator[str]:
    """Yield the address of a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"redis://127.0.0.1:{listening.getsockname()[1]}/0"


def variables(**more: str) -> dict[str, str]:
    return {**environment(StorageSettings(_env_file=None)), **more}


def text_of(process: "subprocess.Popen[bytes]", log: Path) -> str:
    assert process.wait(60) == 1
    return log.read_text()


@pytest.mark.parametrize("module", ["api", "worker"])
def test_it_says_and_returns_what_a_python_of_its_own_does(module: str, tmp_path: Path) -> None:
    env = variables(ACTIVITY_SHARDS="many")
    said = []
    for number, more in enumerate(({}, {"ANOTHER": "variable"})):
        with (tmp_path / str(number)).open("wb") as log:
            started = start(module, {**env, **more}, None, log.fileno())
        assert isinstance(started, Forked) == (not more)
        said.append(text_of(started, tmp_path / str(number)))
    assert "ACTIVITY_SHARDS" in said[0]
    assert [text[text.index("ACTIVITY_SHARDS") :] for text in said] == 2 * [
        said[0][said[0].index("ACTIVITY_SHARDS") :]
    ]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_signals_reach_it_and_its_end_is_told(silent: str, number: int) -> None:
    running = start("worker", variables(ACTIVITY_QUEUE_URL=silent), None, None)
    assert Path(f"/proc/{running.pid}").exists()
    assert running.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        running.wait(0.01)
    running.send_signal(number)
    assert running.wait(60) == -number
    assert running.poll() == -number
    running.kill()  # of one that has ended: nothing


def test_it_runs_in_our_folder(
    silent: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    running = start("worker", variables(ACTIVITY_QUEUE_URL=silent), None, None)
    try:
        cwd = f"/proc/{running.pid}/cwd"
        wait_until(lambda: Path(os.readlink(cwd)) == tmp_path, "the folder to be ours")
    finally:
        running.kill()
        running.wait(60)
