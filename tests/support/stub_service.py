"""Stand in for the batch endpoint: answer by a script, and keep what was sent."""

import gzip
import json
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Request:
    """One request: the body as received, and its lines."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def key(self) -> str:
        return self.headers["idempotency-key"]

    @property
    def lines(self) -> list[bytes]:
        packed = self.headers.get("content-encoding") == "gzip"
        return (gzip.decompress(self.body) if packed else self.body).split(b"\n")

    @property
    def messages(self) -> list[str]:
        return [json.loads(line)["message"] for line in self.lines]


@dataclass(frozen=True)
class Reply:
    """An answer; `status` 0 closes the connection without one."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


LOST = Reply(0)
Behaviour = Callable[["StubService", Request], Reply]


def refuse(status: int, **headers: str) -> Behaviour:
    """Accept nothing, and answer with a refusal."""
    problem = {"status": status, "title": "No", "detail": f"told to say {status}"}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda stub, request: Reply(status, problem, named)


def lose_the_answer(stub: "StubService", request: Request) -> Reply:
    """Accept the events, and send no answer."""
    stub.accept(request)
    return LOST


def accept(stub: "StubService", request: Request) -> Reply:
    """Accept the events as the service does."""
    return stub.accept(request)


class StubService:
    """A service that accepts each key once, unless its `script` gives another answer.

    An event whose message starts with `bad` is rejected by itself.
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.stored: list[dict[str, Any]] = []
        self.script: deque[Behaviour] = deque()
        self.otherwise: Behaviour = accept
        self._answers: dict[str, tuple[bytes, Reply]] = {}
        self._lock = threading.Lock()
        self._port = 0
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        """Return the base URL, which stays the same after `stop` and `start`."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def messages(self) -> list[str]:
        """Return the messages of the stored events."""
        return [event["message"] for event in self.stored]

    @property
    def keys(self) -> set[str]:
        """Return the idempotency keys that it knows."""
        return {*self._answers}

    def forget(self) -> None:
        """Forget all idempotency keys, as for another API key."""
        self._answers.clear()

    def start(self) -> None:
        """Start to serve."""
        self._server = _Server(("127.0.0.1", self._port), _handler(self))
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        """Refuse connections; open connections are closed at their next request."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    @property
    def is_away(self) -> bool:
        """Return whether it was stopped."""
        return self._server is None

    def answer(self, request: Request) -> Reply:
        """Answer a request by the script."""
        with self._lock:
            if self.is_away:
                return LOST
            self.requests.append(request)
            behaviour = self.script.popleft() if self.script else self.otherwise
            return behaviour(self, request)

    def accept(self, request: Request) -> Reply:
        """Store the valid events, once for each key."""
        known = self._answers.get(request.key)
        if known is not None:
            same = known[0] == request.body
            return known[1] if same else Reply(422, {"detail": "another body under this key"})
        reply = self._store(request)
        self._answers[request.key] = request.body, reply
        return reply

    def _store(self, request: Request) -> Reply:
        results = [self._result(number, line) for number, line in enumerate(request.lines)]
        rejected = sum("error" in result for result in results)
        body = {
            "accepted": len(results) - rejected,
            "rejected": rejected,
            "results": results,
        }
        return Reply(422 if rejected == len(results) else 202, body)

    def _result(self, index: int, line: bytes) -> dict[str, Any]:
        try:
            event = json.loads(line)
        except ValueError:
            event = {"message": "bad: no JSON"}
        if event["message"].startswith("bad"):
            fault = {"detail": "is bad", "pointer": "/message"}
            return {"error": {"status": 422, "errors": [fault], "index": index}}
        self.stored.append(event)
        return {"id": f"id-{len(self.stored)}", "created_at": "2026-11-24T08:00:00.000Z"}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64


def _handler(stub: StubService) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            length = int(headers["content-length"])
            body = self.rfile.read(length)
            if len(body) < length:  # its sender was killed: the service accepts nothing of it
                self.close_connection = True
                return
            reply = stub.answer(Request(self.path, headers, body))
            if reply.status == 0:
                self.close_connection = True
                return
            self.send_response(reply.status)
            content = json.dumps(reply.body).encode()
            for name, value in {**reply.headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Log nothing: tests read `requests`."""

    return Handler


@contextmanager
def stub_service() -> Iterator[StubService]:
    """Run a stub service for the test."""
    stub = StubService()
    stub.start()
    try:
        yield stub
    finally:
        stub.stop()
