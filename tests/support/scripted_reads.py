"""Stand in for a service that is read from: answer GETs by a script, and keep what was asked."""

import json
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Reply:
    """An answer. `cut`: the connection closes in the middle of the body."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False


class ScriptedReads:
    """Answers each GET with the next reply; the last one stays."""

    def __init__(self, replies: Iterable[Reply]) -> None:
        self.url = ""
        self.replies = deque(replies)
        self.asked: list[str] = []

    def answer(self, path: str) -> Reply:
        """Return the reply to this request."""
        self.asked.append(path)
        return self.replies.popleft() if len(self.replies) > 1 else self.replies[0]


@contextmanager
def scripted_reads(*replies: Reply) -> Iterator[ScriptedReads]:
    """Serve these replies."""
    reads = ScriptedReads(replies)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(reads))
    reads.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield reads
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(reads: ScriptedReads) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            reply = reads.answer(self.path)
            content = json.dumps(reply.body).encode()
            self.send_response(reply.status)
            for name, value in {**reply.headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content[: len(content) // 2] if reply.cut else content)

        def log_message(self, format: str, *args: object) -> None:
            """Log nothing."""

    return Handler
