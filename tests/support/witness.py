"""Post and read all the time, over kept and new connections, and count failed requests."""

import http.client
import json
import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

Connect = Callable[[], http.client.HTTPConnection]
Post = Callable[[], dict[str, object]]
COMPONENT = "witness"
ANSWER_SECONDS = 60.0
PAGE = f"/events?component={COMPONENT}&limit=5"


def an_event() -> dict[str, object]:
    """Make the event that a witness posts by default."""
    return {"component": COMPONENT, "environment": "test", "message": "seen"}


@dataclass
class Seen:
    """What all clients of a witness have counted."""

    answered: int = 0
    closed: int = 0  # answers that said `Connection: close`
    refused: int = 0  # connections: nothing was sent
    failures: list[str] = field(default_factory=list)
    accepted: list[dict[str, object]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, response: http.client.HTTPResponse, body: bytes, wanted: int) -> None:
        """Count a request that was answered."""
        with self._lock:
            self.answered += 1
            self.closed += response.will_close
            if response.status != wanted:
                self.failures.append(f"{response.status} instead of {wanted}: {body[:200]!r}")
            elif wanted == 202:
                self.accepted.append(json.loads(body))

    def failure(self, error: BaseException, what: str) -> None:
        """Count a request that was sent and failed."""
        with self._lock:
            self.failures.append(f"{what}: {error!r}")

    def refusal(self) -> None:
        """Count a request that could not be sent, because nobody listens."""
        with self._lock:
            self.refused += 1


def tcp(port: int) -> Connect:
    """Connect to a port of this machine."""
    return lambda: http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_SECONDS)


class _Client(threading.Thread):
    """A client that posts and reads in turns."""

    def __init__(self, connect: Connect, post: Post, keeps: bool, seen: Seen) -> None:
        super().__init__(daemon=True)
        self.stopping = threading.Event()
        self._connect, self._post, self._keeps, self._seen = connect, post, keeps, seen
        self._connection: http.client.HTTPConnection | None = None

    def run(self) -> None:
        """Run until the witness stops."""
        while not self.stopping.is_set():
            self._ask("POST", "/events", 202, json.dumps(self._post()))
            self._ask("GET", PAGE, 200, None)
        self._hang_up()

    def _ask(self, method: str, path: str, wanted: int, body: str | None) -> None:
        connection = self._connected()
        if connection is None:
            self._seen.refusal()
            self.stopping.wait(0.01)
            return
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            self._seen.answer(response, response.read(), wanted)
        except (OSError, http.client.HTTPException) as error:
            kind = "a kept" if self._keeps else "a fresh"
            self._seen.failure(error, f"{method} over {kind} connection")
            self._hang_up()
        if not self._keeps:
            self._hang_up()

    def _connected(self) -> http.client.HTTPConnection | None:
        """Return the connection if it is still open, else a new one; None if it was refused."""
        if self._connection and (self._connection.sock is None or _is_closed(self._connection)):
            self._hang_up()
        if self._connection is None:
            connection = self._connect()
            try:
                connection.connect()
            except OSError:
                connection.close()
                return None
            self._connection = connection
        return self._connection

    def _hang_up(self) -> None:
        if self._connection:
            self._connection.close()
        self._connection = None


def _is_closed(connection: http.client.HTTPConnection) -> bool:
    """Return whether the connection was closed while idle, which every client must check."""
    return bool(select.select([connection.sock], [], [], 0)[0])


@contextmanager
def witness(connect: Connect, clients: int = 3, post: Post = an_event) -> Iterator[Seen]:
    """Run that many clients with kept connections, and as many with new ones, for the block."""
    seen = Seen()
    threads = [_Client(connect, post, keeps, seen) for keeps in (True, False) * clients]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        for thread in threads:
            thread.stopping.set()
        for thread in threads:
            thread.join(2 * ANSWER_SECONDS)


class UnixConnection(http.client.HTTPConnection):
    """An HTTP connection over a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=ANSWER_SECONDS)
        self._path = path

    def connect(self) -> None:
        """Connect. Raises `OSError`."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)
