"""Test where `activity api` listens: on a Unix socket, on IPv4 and IPv6 at once."""

import errno
import os
import signal
import socket
import stat
from pathlib import Path

import httpx
import pytest

from cli.errors import AddressError
from cli.process import listener as listening
from cli.process import unix_listener
from storage.settings import StorageSettings
from testbed.waiting import wait_until
from tests.support.api_command import api_command
from tests.support.witness import UnixConnection, witness

SECONDS = 60
EVENT = {"component": "c", "environment": "e", "message": "m"}


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


def test_a_unix_socket_serves_and_a_rolling_restart_and_a_stop_fail_no_request(
    settings: StorageSettings, tmp_path: Path
) -> None:
    path = tmp_path / "api.sock"
    with api_command(settings, "--uds", str(path), "--processes", "2") as api:
        assert api.address == f"unix:{path}"
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        with httpx.Client(
            transport=httpx.HTTPTransport(uds=str(path)),
            base_url="http://any.name",
            timeout=SECONDS,
        ) as http:
            accepted = http.post("/events", json=EVENT)
            assert accepted.status_code == 202
            assert http.get(accepted.headers["location"]).json()["receipt"] == "queued"
            told = http.post("/events", json=EVENT, headers={"x-forwarded-prefix": "/a"})
            assert told.headers["location"].startswith("/a/events/")
        with witness(lambda: UnixConnection(str(path)), clients=2) as seen:
            wait_until(lambda: seen.answered > 50, "answers", SECONDS)
            before = set(api.pids())
            api.process.send_signal(signal.SIGUSR1)
            wait_until(
                lambda: len(api.pids()) == 2 and not set(api.pids()) & before, "new ones", SECONDS
            )
            assert seen.refused == 0
            api.stop()
            wait_until(lambda: seen.refused > 4, "nobody to listen any more", SECONDS)
        assert seen.failures == []
        assert not path.exists()


def test_a_socket_that_a_killed_run_left_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    unix_listener.listen(path).close()
    assert path.is_socket()
    unix_listener.listen(path).close()


def test_a_file_that_is_not_our_stale_socket_stays(tmp_path: Path) -> None:
    path, target, link = tmp_path / "used", tmp_path / "file", tmp_path / "link"
    target.write_text("kept")
    with unix_listener.listen(path), pytest.raises(AddressError, match="another process listens"):
        unix_listener.listen(path)
    link.symlink_to(path)  # a stale socket, but behind a link
    for other in (target, link, tmp_path):
        with pytest.raises(AddressError, match="is not a socket"):
            unix_listener.listen(other)
    assert (target.read_text(), path.is_socket(), link.is_symlink()) == ("kept", True, True)
    with pytest.raises(AddressError, match="No such file"):
        unix_listener.listen(tmp_path / "missing" / "api.sock")
    with pytest.raises(AddressError, match="too long"):
        unix_listener.listen(tmp_path / ("x" * 120))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_stale_socket_of_another_user_stays(tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    unix_listener.listen(path).close()
    os.chown(path, 65_534, 65_534)
    with pytest.raises(AddressError, match="another user"):
        unix_listener.listen(path)
    assert path.is_socket()


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
def test_every_address_means_ipv6_and_ipv4() -> None:
    with listening.listen("::", 0) as listener:
        for host in ("127.0.0.1", "::1"):
            with socket.create_connection((host, listening.port_of(listener)), SECONDS):
                listener.accept()[0].close()


@pytest.mark.parametrize("number", [errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL])
def test_without_ipv6_every_address_means_ipv4(
    number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    class WithoutIPv6(socket.socket):
        def __init__(self, family: int, *more: int) -> None:
            if family == socket.AF_INET6:
                raise OSError(number, "no IPv6")
            super().__init__(family, *more)

    with monkeypatch.context() as patched:
        patched.setattr("socket.socket", WithoutIPv6)
        listener = listening.listen("::", 0)
    with listener:
        assert listening.host_of(listener, "::") == "0.0.0.0"
        with socket.create_connection(("127.0.0.1", listening.port_of(listener)), SECONDS):
            listener.accept()[0].close()
