"""A supervisor of workers answers probes by HTTP, whatever else its clients do."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import httpx
import pytest

from cli.errors import AddressError
from cli.health.worker_states import Health
from cli.process import probe_server
from cli.process.probe_server import MAX_CONNECTIONS, MAX_HEAD_BYTES, ProbeServer
from storage.metrics.catalogue import RATE_LIMITED_EVENTS
from storage.metrics.layout import offset
from storage.metrics.process import own

SECONDS = 60
HEALTHY, STUCK = Health(True, "healthy, 2 workers"), Health(False, "worker-0 has made no progress")


class Running:
    """A server whose workers are as `found` says."""

    found = HEALTHY

    def __init__(self, listener: socket.socket) -> None:
        self.address = listener.getsockname()
        self.http = httpx.Client(
            base_url=f"http://127.0.0.1:{self.address[1]}", timeout=SECONDS, trust_env=False
        )

    def connect(self) -> socket.socket:
        return socket.create_connection(self.address, SECONDS)

    def send(self, request: bytes) -> bytes:
        """Return everything that the server answers to these bytes, until it closes."""
        with self.connect() as connection, connection.makefile("rb") as stream:
            connection.sendall(request)
            return stream.read()


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        found = Running(listener)
        monkeypatch.setattr(probe_server, "workers_of_this_run", lambda: found.found)
        server = ProbeServer(listener)
        server.start()
        yield found
        found.http.close()
        server.stop()
    with pytest.raises(OSError, match="refused"):
        found.connect()


def test_healthy_workers_are_200_and_others_503_with_the_reason(running: Running) -> None:
    answer = running.http.get("/health")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json() == {"status": "healthy", "detail": HEALTHY.detail}
    running.found = STUCK
    answer = running.http.get("/health?from=a-probe")
    assert answer.status_code == 503
    assert answer.json() == {"status": "unhealthy", "detail": STUCK.detail}
    assert answer.headers["cache-control"] == "no-store"


def test_the_metrics_of_the_processes_are_there_for_prometheus(running: Running) -> None:
    with own.lock:
        own.cells[offset(RATE_LIMITED_EVENTS)] += 3
    plain = running.http.get("/metrics")
    assert plain.status_code == 200
    assert plain.headers["content-type"].startswith("text/plain")
    assert "activity_rate_limited_events_total 3.0" in plain.text
    assert "activity_backlog_events" not in plain.text, "an API process tells that"
    accept = {"accept": "application/openmetrics-text; version=1.0.0"}
    asked = running.http.get("/metrics", headers=accept)
    assert asked.headers["content-type"].startswith("application/openmetrics-text")
    assert asked.text.endswith("# EOF\n")


def test_a_head_request_gets_the_head_only(running: Running) -> None:
    answer = running.http.head("/health")
    assert answer.status_code == 200
    assert int(answer.headers["content-length"]) > 0
    assert answer.content == b""


def test_other_requests_are_refused(running: Running) -> None:
    assert running.http.get("/events").status_code == 404
    refused = running.http.post("/health", json={})
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")
    assert refused.json()["title"] == "Method Not Allowed"


@pytest.mark.parametrize(
    "request_",
    [
        *(b"\r\n\r\n", b"GET /health\r\n\r\n", b"\x16\x03\x01\r\n\r\n", b"a b HTTP/2\r\n\r\n"),
        b"GET /metrics HTTP/1.1\r\nAccept: application/openmetrics-text;version=\xff\r\n\r\n",
        b"GET /health HTTP/1.1\r\nX: \x00\r\n\r\n",
        b"GET /health HTTP/1.1\r\nX: y\nHost: z\r\n\r\n",
        b"GET /health HTTP/1.1\r\nX: y\rHost: z\r\n\r\n",
    ],
)
def test_what_is_no_request_is_400(running: Running, request_: bytes) -> None:
    assert running.send(request_).startswith(b"HTTP/1.1 400 ")


def test_a_head_that_is_too_long_is_400(running: Running) -> None:
    head = b"GET /health HTTP/1.1\r\nX: "
    assert running.send(head.ljust(MAX_HEAD_BYTES, b"x")).startswith(b"HTTP/1.1 400 ")


def test_slow_clients_are_disconnected_and_keep_nobody_out(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe_server, "CONNECTION_SECONDS", 1.0)
    with ExitStack() as stack:
        slow = [stack.enter_context(running.connect()) for _ in range(MAX_CONNECTIONS)]
        for one in slow:
            one.sendall(b"GET /health HTTP/1.1\r\n")
        assert running.http.get("/health").status_code == 200
        assert [one.recv(1) for one in slow] == [b""] * MAX_CONNECTIONS


def test_a_flood_of_silent_connections_keeps_nobody_out(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    for bound in ("HEAD_SECONDS", "CONNECTION_SECONDS"):
        monkeypatch.setattr(probe_server, bound, 10 * SECONDS)
    over = threading.Event()

    def is_silent() -> None:
        while not over.is_set():
            with suppress(OSError), running.connect() as silent:
                silent.settimeout(0.1)
                while not over.is_set():
                    with suppress(TimeoutError):
                        if not silent.recv(1):
                            break

    flood = [threading.Thread(target=is_silent) for _ in range(3 * MAX_CONNECTIONS)]
    with ExitStack() as stack:
        first = [stack.enter_context(running.connect()) for _ in range(MAX_CONNECTIONS)]
        for one in flood:
            one.start()
            stack.callback(one.join)
        stack.callback(over.set)
        assert [running.http.get("/health").status_code for _ in range(10)] == [200] * 10
        assert [one.recv(1) for one in first] == [b""] * MAX_CONNECTIONS


def test_a_head_has_less_time_than_an_answer(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe_server, "CONNECTION_SECONDS", 10 * SECONDS)
    with running.connect() as slow:
        slow.sendall(b"GET /health HTTP/1.1\r\n")
        assert slow.recv(1) == b""


def test_a_failure_costs_one_answer_and_no_connection(
    running: Running, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails() -> Health:
        raise RuntimeError("a fault")

    with monkeypatch.context() as broken:
        broken.setattr(probe_server, "workers_of_this_run", fails)
        for _ in range(MAX_CONNECTIONS + 1):
            assert running.send(b"GET /health HTTP/1.1\r\n\r\n") == b""
    assert running.http.get("/health").status_code == 200
    assert caplog.text.count("a probe got no answer") == 1, "once a minute"


def test_a_port_in_use_is_named_with_its_setting() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as other,
        pytest.raises(AddressError, match="choose another with ACTIVITY_PROBE_PORT"),
        probe_server.probe_server("127.0.0.1", other.getsockname()[1]),
    ):
        pass


def test_without_a_port_nothing_listens(capsys: pytest.CaptureFixture[str]) -> None:
    with probe_server.probe_server("127.0.0.1", None):
        pass
    assert capsys.readouterr().out == ""


def test_a_free_port_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with probe_server.probe_server("127.0.0.1", 0):
        url = capsys.readouterr().out.strip().removeprefix("probes: ")
        answer = httpx.get(url, trust_env=False, timeout=SECONDS)
        assert answer.status_code == 503
        assert json.loads(answer.content)["detail"] == "the workers are not started yet"
