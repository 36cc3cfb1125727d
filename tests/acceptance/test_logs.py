"""What the processes of an operator log: never a secret, in JSON one object a line."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from storage.settings import StorageSettings
from testbed.servers import environment
from testbed.waiting import wait_until

SECRET = "wr0ng/pa@ss"
IN_URL = "wr0ng%2Fpa%40ss"
API = (sys.executable, "-m", "api", "--port", "0")
WORKER = (sys.executable, "-m", "worker")
ACTIVITY = (sys.executable, "-m", "cli.entry")
RUN_ON = [
    API,
    WORKER,
    (*ACTIVITY, "api", "--port", "0"),
    (*ACTIVITY, "worker", "--processes", "1"),
]
END = [
    (*ACTIVITY, "migrate"),
    (*ACTIVITY, "dead-letters", "list", "--json"),
    (*ACTIVITY, "dead-letters", "replay", "--all"),
    (*ACTIVITY, "status"),
    (*ACTIVITY, "status", "--json"),
    (*ACTIVITY, "health", "worker"),
]


def named(command: tuple[str, ...]) -> str:
    return " ".join(command[2:])


def wrong(url: str, user: str) -> str:
    """Return the address with a user that the server does not know."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{user}:{IN_URL}@{rest.rpartition('@')[2]}"


@pytest.fixture(params=["text", "json"])
def form(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def env(settings: StorageSettings, form: str, tmp_path: Path) -> dict[str, str]:
    """Return an environment whose password is wrong at each server, and a log of everything."""
    return {
        **environment(settings),
        "ACTIVITY_QUEUE_URL": wrong(settings.queue_url, "nobody"),
        "ACTIVITY_CONTROL_URL": wrong(settings.control_url, "nobody"),
        "ACTIVITY_DATABASE_URL": wrong(settings.database_url, "nobody"),
        "ACTIVITY_LOG": form,
        "ACTIVITY_LOG_LEVEL": "debug",
        "TMPDIR": str(tmp_path),
        "XDG_RUNTIME_DIR": str(tmp_path),
    }


def says_no_secret(text: str) -> None:
    assert SECRET not in text
    assert IN_URL not in text
    assert "wr0ng" not in text


def is_in_form(stderr: str, form: str) -> None:
    for line in stderr.splitlines():
        if form == "json":
            assert {"time", "level", "logger", "role", "pid", "message"} <= json.loads(line).keys()


@pytest.mark.parametrize("command", RUN_ON, ids=named)
def test_no_process_logs_a_wrong_password(
    command: tuple[str, ...], env: dict[str, str], form: str, tmp_path: Path
) -> None:
    log = tmp_path / "stderr"
    with log.open("wb") as stderr:
        process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=stderr)
    try:
        wait_until(
            lambda: "username-password pair" in log.read_text() or process.poll(),
            "it to be refused",
        )
    finally:
        process.send_signal(signal.SIGTERM)
        stdout = process.communicate(timeout=60)[0].decode()
    said = log.read_text()
    says_no_secret(stdout + said)
    assert said
    is_in_form(said, form)


@pytest.mark.parametrize("command", END, ids=named)
def test_no_command_shows_a_wrong_password(
    command: tuple[str, ...], env: dict[str, str], tmp_path: Path
) -> None:
    ended = subprocess.run(
        command,
        env={**env, "PYTHONPATH": os.getcwd()},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode
    says_no_secret(ended.stdout + ended.stderr)


@pytest.mark.parametrize("command", [API, WORKER, RUN_ON[2]], ids=named)
def test_a_process_that_can_not_run_says_why_in_the_same_form(
    command: tuple[str, ...], env: dict[str, str], form: str
) -> None:
    env = {**env, "ACTIVITY_QUEUE_URL": f"nonsense://u:{IN_URL}@h"}
    ended = subprocess.run(
        command, env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode
    assert "ACTIVITY_QUEUE_URL: the address begins with nonsense://" in ended.stderr
    says_no_secret(ended.stderr)
    is_in_form(ended.stderr, form)


@pytest.mark.parametrize("command", [API, WORKER, RUN_ON[2]], ids=named)
def test_a_wrong_form_is_refused_with_its_name(
    command: tuple[str, ...], env: dict[str, str]
) -> None:
    env = {**env, "ACTIVITY_LOG": "xml"}
    ended = subprocess.run(
        command, env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode
    assert "ACTIVITY_LOG: Input should be 'text' or 'json'" in ended.stderr


CRASH = f"""
import threading, warnings, sys
from storage.logs.setup import log_uncaught, set_up
set_up("api", sys.argv[1])
log_uncaught()
warnings.warn("redis://u:{IN_URL}@h")
def fail(): raise RuntimeError("redis://u:{IN_URL}@h")
thread = threading.Thread(target=fail)
thread.start(); thread.join()
class Deaf:
    def __del__(self): fail()
Deaf()
fail()
"""


def test_what_python_itself_would_print_goes_the_same_way(form: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", CRASH, form], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 1
    says_no_secret(ended.stderr)
    assert ended.stderr.count("redis://u:***@h") >= 4
    is_in_form(ended.stderr, form)
