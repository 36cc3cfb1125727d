"""Stop and restart API processes: no request fails."""

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.settings import StorageSettings
from testbed.waiting import wait_until
from tests.support.api_command import ApiCommand, api_command
from tests.support.nginx import needs_nginx, nginx
from tests.support.witness import Seen, tcp, witness

SECONDS = 60
BODY = b'{"component":"c","environment":"e","message":"m"}'


@pytest.fixture
def api(settings: StorageSettings) -> Iterator[ApiCommand]:
    with api_command(settings, "--port", "0", "--processes", "2") as running:
        wait_until(lambda: len(running.pids()) == 2, "two API processes")
        wait_until(lambda: is_answered(running.port), "the first answer", SECONDS)
        yield running


def is_answered(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port), SECONDS) as client:
        client.sendall(b"GET /health/ready HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return client.recv(100).startswith(b"HTTP/1.1 200")


def wait_for_more(seen: Seen, answers: int = 300) -> None:
    """Wait until that many more requests are answered."""
    enough = seen.answered + answers
    wait_until(lambda: seen.answered >= enough or seen.failures, "answers", SECONDS)


def test_a_rolling_restart_under_load_fails_no_request(api: ApiCommand) -> None:
    with witness(tcp(api.port)) as seen:
        wait_for_more(seen)
        for _ in range(2):
            api.restart()
        wait_for_more(seen)
    assert (seen.failures, seen.refused) == ([], 0)
    assert seen.closed
    assert "the rolling restart is complete" in api.stop()


def test_an_api_process_that_gets_sigterm_fails_no_request(api: ApiCommand) -> None:
    with witness(tcp(api.port)) as seen:
        wait_for_more(seen)
        for _ in range(4):
            before = api.pids()
            os.kill(before[0], signal.SIGTERM)
            wait_until(
                lambda old=before: len(api.pids()) == 2 and old[0] not in api.pids(),  # type: ignore[misc]
                "a successor",
                SECONDS,
            )
            wait_for_more(seen)
    assert (seen.failures, seen.refused) == ([], 0)


@needs_nginx
def test_behind_nginx_a_rolling_restart_gives_no_502(api: ApiCommand, tmp_path: Path) -> None:
    with (
        nginx(tmp_path, f"127.0.0.1:{api.port}") as port,
        witness(tcp(port)) as seen,
    ):
        wait_for_more(seen)
        for _ in range(2):
            api.restart()
        wait_for_more(seen)
    assert (seen.failures, seen.refused) == ([], 0)


def test_when_the_service_stops_under_load_every_request_is_answered_or_never_sent(
    api: ApiCommand,
) -> None:
    with witness(tcp(api.port), clients=6) as seen:
        wait_for_more(seen)
        api.stop()
        wait_until(lambda: seen.refused > 12, "nobody to listen any more", SECONDS)
    assert seen.failures == []


def test_a_body_that_never_ends_does_not_hold_a_stop(api: ApiCommand) -> None:
    with socket.create_connection(("127.0.0.1", api.port), SECONDS) as client:
        head = b"POST /events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        client.sendall(head + b"Content-Length: 100\r\n\r\n" + BODY)
        assert "did not stop" not in api.stop()
        answer = client.recv(10_000)
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"connection: close" in answer
