"""Keys and the `activity` command: where the API may listen, and which key commands send."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from storage.access.api_key import Scope
from storage.settings import StorageSettings
from testbed.servers import data_folder, environment
from testbed.service import service
from testbed.waiting import wait_until
from tests.support.api_command import api_command
from tests.support.keys import new_key, put_on_queue
from tests.support.send_command import SendCommand

EVENT = {"component": "orders", "environment": "production", "message": "shipped"}
ANYWHERE = ("--host", "0.0.0.0", "--port", "0")
API = [sys.executable, "-m", "cli.main", "api", *ANYWHERE]
PYTHON_API = [sys.executable, "-m", "api", *ANYWHERE]


def refused(settings: StorageSettings, command: list[str], **more: object) -> str:
    """Return what a command says that does not start."""
    ended = subprocess.run(
        command, env=environment(settings, **more), capture_output=True, text=True, timeout=120
    )
    assert ended.returncode == 1, ended.stderr
    return ended.stderr


@pytest.mark.parametrize("command", [API, PYTHON_API], ids=["activity", "python"])
def test_an_address_for_other_machines_without_a_key_is_refused_with_the_remedy(
    settings: StorageSettings, command: list[str]
) -> None:
    said = refused(settings, command)
    for word in ("0.0.0.0", "activity keys create", "ACTIVITY_AUTH=required", "--insecure"):
        assert word in said
    for word in ("ACTIVITY_ADMIN_KEY_FILE", "--data-dir"):
        assert word in said
    assert "Traceback" not in said


def status(port: int, **headers: str) -> int:
    return httpx.get(
        f"http://127.0.0.1:{port}/status", headers=headers, timeout=60, trust_env=False
    ).status_code


def test_insecure_is_open_on_any_address_until_the_first_key(settings: StorageSettings) -> None:
    with api_command(settings, *ANYWHERE, "--insecure") as api:
        wait_until(lambda: status(api.port) == 200, "the open service")
        key = new_key()
        put_on_queue(settings, key)
        wait_until(lambda: status(api.port) == 401, "it to close")
        assert status(api.port, **key.headers) == 200
        api.stop()


def test_with_a_key_any_address_is_served_and_closed(settings: StorageSettings) -> None:
    key = new_key()
    put_on_queue(settings, key)
    for options in ((), ("--insecure",)):
        with api_command(settings, *ANYWHERE, *options) as api:
            wait_until(lambda port=api.port: status(port, **key.headers) == 200, "the service")  # type: ignore[misc]
            assert status(api.port) == 401
            api.stop()


@pytest.mark.parametrize(
    ("options", "auth", "warned"),
    [
        (ANYWHERE, "required", True),
        (ANYWHERE, "open", False),
        (("--host", "127.0.0.1", "--port", "0"), "required", False),
    ],
)
def test_keys_in_plain_http_between_machines_are_warned_of(
    settings: StorageSettings, options: tuple[str, ...], auth: str, warned: bool
) -> None:
    with api_command(settings, *options, auth=auth) as api:
        wait_until(lambda: status(api.port) in (200, 401), "the service")
        said = api.stop()
    assert ("0.0.0.0 with plain HTTP" in said and "proxy with TLS" in said) == warned


def test_required_starts_without_a_key_and_lets_nobody_in(settings: StorageSettings) -> None:
    with api_command(settings, *ANYWHERE, auth="required") as api:
        wait_until(lambda: status(api.port) == 401, "the closed service")
        key = new_key()
        put_on_queue(settings, key)
        wait_until(lambda: status(api.port, **key.headers) == 200, "the key")
        api.stop()


def test_open_needs_no_key_even_if_there_is_one(settings: StorageSettings) -> None:
    put_on_queue(settings, new_key())
    with api_command(settings, *ANYWHERE, auth="open") as api:
        wait_until(lambda: status(api.port) == 200, "the open service")
        api.stop()


@pytest.fixture
def folder() -> Iterator[Path]:
    with data_folder() as data:
        yield data


def test_up_on_any_address_without_a_key_is_refused(folder: Path) -> None:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("ACTIVITY_")}
    command = [*API[:3], "up", *ANYWHERE, "--data-dir", str(folder)]
    ended = subprocess.run(command, env=ours, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 1
    assert "activity keys create" in ended.stderr
    assert "ready" not in ended.stdout


def test_send_uses_the_key_of_the_environment_or_of_a_file(
    settings: StorageSettings, tmp_path: Path
) -> None:
    writes, reads = new_key(Scope.WRITE), new_key(Scope.READ)
    put_on_queue(settings, writes, reads)
    with service(settings, workers=0, auth="required") as running:
        command = SendCommand(running.url, tmp_path)
        event = [f"--{name}={value}" for name, value in EVENT.items()]
        ended = command.run(*event)
        assert ended.returncode == 1
        assert "401" in ended.stderr
        assert "ACTIVITY_KEY" in ended.stderr
        assert "Activity Service?" not in ended.stderr
        command._env["ACTIVITY_KEY"] = reads.token
        ended = command.run(*event)
        assert (ended.returncode, "`write`" in ended.stderr) == (1, True)
        assert reads.token not in ended.stderr + ended.stdout
        command._env["ACTIVITY_KEY"] = writes.token
        assert command.run(*event).returncode == 0
        del command._env["ACTIVITY_KEY"]
        file = tmp_path / "key"
        file.write_text(f"{writes.token}\n")
        command._env["ACTIVITY_KEY_FILE"] = str(file)
        lines = tmp_path / "lines"
        lines.write_text('{"component":"c","environment":"e","message":"m"}\n' * 3)
        assert command.summary(lines)["accepted"] == 3
        file.write_text("no key\x00")
        ended = command.run(*event)
        assert (ended.returncode, "ACTIVITY_KEY_FILE" in ended.stderr) == (2, True)
        assert not [one for one in command.checkpoints() if writes.token in one.read_text()]
