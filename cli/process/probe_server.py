"""Answer probes by HTTP, in a supervisor of workers.

    GET /health     200 if every worker makes progress, else 503; the body says why
    GET /metrics    the metrics of this supervisor's processes, for Prometheus

One request per connection. Everything is bounded: the connections at once, the bytes of a request,
and the seconds of its head and of a connection, however slowly its client sends and reads. When all
connections are taken, the oldest that is silent is closed for a new one.
"""

import json
import logging
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from http import HTTPStatus
from importlib.metadata import version
from typing import NamedTuple

from cli.health.worker_states import Health, judge, states_in
from cli.process import listener as listening
from cli.process.probe_connections import ProbeConnections
from storage.logs.throttle import Throttle
from storage.metrics.process import own

MAX_CONNECTIONS = 16
MAX_HEAD_BYTES = 8192
HEAD_SECONDS = 1.0
CONNECTION_SECONDS = 5.0
_END = b"\r\n\r\n"
_LINES = re.compile(rb"(?:[\t -~]*\r\n)+")
_PAUSE_SECONDS = 0.1  # after a failed accept: no descriptors are left, say
_STOP_SECONDS = 2.0

_SETTINGS = ("ACTIVITY_PROBE_HOST", "ACTIVITY_PROBE_PORT")

log = logging.getLogger(__name__)


class Answer(NamedTuple):
    """What a client gets."""

    status: HTTPStatus
    body: bytes
    media_type: str = "application/json"


@contextmanager
def probe_server(host: str, port: int | None) -> Iterator[None]:
    """Answer probes while the block runs; port 0 takes a free one. Without a port do nothing.

    Raises `AddressError`.
    """
    if port is None:
        yield
        return
    with listening.listen(host, port, _SETTINGS) as listener:
        found = listening.url(listening.host_of(listener, host), listening.port_of(listener))
        print(f"probes: {found}/health", flush=True)
        server = ProbeServer(listener)
        server.start()
        try:
            yield
        finally:
            server.stop()


class ProbeServer:
    """A thread that accepts connections, and a few that answer them."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._stopping = threading.Event()
        self._connections = ProbeConnections(MAX_CONNECTIONS)
        self._throttle = Throttle()
        self._answering = ThreadPoolExecutor(MAX_CONNECTIONS, "probe")
        self._accepting = threading.Thread(target=self._accept, name="probes", daemon=True)

    def start(self) -> None:
        """Start to accept connections."""
        self._accepting.start()

    def stop(self) -> None:
        """Accept no more connections. Those that are open end within CONNECTION_SECONDS."""
        self._stopping.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits for one
        self._accepting.join(_STOP_SECONDS)
        self._answering.shutdown(wait=False, cancel_futures=True)

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                self._stopping.wait(_PAUSE_SECONDS)
            else:
                self._pass_on(connection)

    def _pass_on(self, connection: socket.socket) -> None:
        self._connections.add(connection)
        try:
            self._answering.submit(self._serve, connection)
        except RuntimeError:  # it stops, or no thread can be started
            self._connections.close(connection)
            self._stopping.wait(_PAUSE_SECONDS)

    def _serve(self, connection: socket.socket) -> None:
        deadline = time.monotonic() + CONNECTION_SECONDS
        try:
            head = _read_head(connection, time.monotonic() + HEAD_SECONDS)
            self._connections.has_asked(connection)
            _send_answer(connection, head, deadline)
        except OSError:  # the client is gone, or too slow
            pass
        except Exception as error:
            if self._throttle.allows(type(error).__name__):
                log.exception("a probe got no answer")
        finally:
            self._connections.close(connection)


def _send_answer(connection: socket.socket, head: bytes, deadline: float) -> None:
    """Answer the request of this head. Raises `OSError`, also at the deadline."""
    method, answer = answer_to(head)
    connection.settimeout(max(deadline - time.monotonic(), 0.01))
    connection.sendall(_encode(answer, with_body=method != "HEAD"))


def answer_to(head: bytes) -> tuple[str, Answer]:
    """Return the method of a request, and the answer to its head."""
    lines, end, _ = head.partition(_END)
    if not end or not _LINES.fullmatch(lines + b"\r\n"):
        return "", _problem(HTTPStatus.BAD_REQUEST)
    line, *fields = lines.decode("ascii").split("\r\n")
    words = line.split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        return "", _problem(HTTPStatus.BAD_REQUEST)
    method, path = words[0], words[1].partition("?")[0]
    answer = _ROUTES.get(path)
    if answer is None:
        return method, _problem(HTTPStatus.NOT_FOUND)
    if method not in ("GET", "HEAD"):
        return method, _problem(HTTPStatus.METHOD_NOT_ALLOWED)
    return method, answer(fields)


def workers_of_this_run() -> Health:
    """Judge the workers of this supervisor."""
    found = states_in(own.readings())
    if not found.wanted:
        return Health(False, "the workers are not started yet")
    return judge([found], time.monotonic(), "of this run")


def _health(_: Sequence[str]) -> Answer:
    found = workers_of_this_run()
    status = HTTPStatus.OK if found.healthy else HTTPStatus.SERVICE_UNAVAILABLE
    word = "healthy" if found.healthy else "unhealthy"
    return Answer(status, json.dumps({"status": word, "detail": found.detail}).encode())


def _metrics(fields: Sequence[str]) -> Answer:
    # Imported here: most supervisors are not asked.
    from api.ops.exposition import expose, of_instance

    named = (field.partition(":") for field in fields)
    accepted = [value.strip() for name, _, value in named if name.strip().lower() == "accept"]
    samples = of_instance(own.readings(), version("activity-service"))
    found = expose(samples, ", ".join(accepted))
    return Answer(HTTPStatus.OK, found.body, found.media_type)


_ROUTES: Mapping[str, Callable[[Sequence[str]], Answer]] = {
    "/health": _health,
    "/metrics": _metrics,
}


def _problem(status: HTTPStatus) -> Answer:
    body = json.dumps({"title": status.phrase, "status": status.value}).encode()
    return Answer(status, body, "application/problem+json")


def _read_head(connection: socket.socket, deadline: float) -> bytes:
    """Return the head of a request, or what has come of it if it ends or is too long."""
    head = b""
    while _END not in head and len(head) < MAX_HEAD_BYTES:
        connection.settimeout(max(deadline - time.monotonic(), 0.01))
        part = connection.recv(MAX_HEAD_BYTES - len(head))
        if not part:
            break
        head += part
    return head


def _encode(answer: Answer, with_body: bool) -> bytes:
    head = (
        f"HTTP/1.1 {answer.status.value} {answer.status.phrase}\r\n"
        f"Content-Type: {answer.media_type}\r\nContent-Length: {len(answer.body)}\r\n"
        "Cache-Control: no-store\r\nConnection: close\r\n"
    )
    if answer.status == HTTPStatus.METHOD_NOT_ALLOWED:
        head += "Allow: GET, HEAD\r\n"
    return f"{head}\r\n".encode() + (answer.body if with_body else b"")
