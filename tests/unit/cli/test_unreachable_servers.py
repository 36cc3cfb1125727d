"""What `activity api` and `activity worker` say when a server does not answer fits how they run."""

import socket
from pathlib import Path

import pytest

from cli import service_choice
from storage.redis import client

ADVICE = "give --data-dir DIR"


@pytest.fixture
def dead_port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.chdir(tmp_path)  # no .env here
    for name in ("QUEUE", "CONTROL"):
        monkeypatch.delenv(f"ACTIVITY_{name}_URL", raising=False)
        monkeypatch.delenv(f"ACTIVITY_{name}_PASSWORD", raising=False)
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.mark.parametrize("name", ["queue_url", "control_url"])
def test_who_was_told_an_address_is_not_told_of_a_data_folder(
    name: str, dead_port: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """In a container there is none."""
    monkeypatch.setenv(f"ACTIVITY_{name.upper()}", f"redis://u@127.0.0.1:{dead_port}/0")
    role = name.removesuffix("_url").upper()
    monkeypatch.setenv(f"ACTIVITY_{role}_PASSWORD", "a secret")
    service_choice.warn_if_unreachable(None, name)
    (line,) = caplog.messages
    assert line.startswith(f"nothing answers at ACTIVITY_{name.upper()}: ")
    assert str(dead_port) in line
    assert ADVICE not in line
    assert "secret" not in line


def test_who_was_told_no_address_is_told_how_to_name_the_servers_of_this_machine(
    dead_port: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    connect = client.connect
    monkeypatch.setattr(client, "connect", lambda url: connect(f"redis://127.0.0.1:{dead_port}"))
    service_choice.warn_if_unreachable(None, "queue_url")
    (line,) = caplog.messages
    assert ADVICE in line
