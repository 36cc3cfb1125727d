"""A relay in front of a service that closes each connection after so many bytes of an answer."""

import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

SECONDS = 60
_CHUNK = 16 * 1024


class Cutting(socketserver.ThreadingTCPServer):
    """`bytes_of`: how many bytes the answer of a connection may have, None for all.

    `cuts` counts; `sent` has the length of each answer that was not cut. With `stays_open` a
    connection stays open after its cut, and nothing more comes.
    """

    daemon_threads = True

    def __init__(self, upstream: Any, bytes_of: Callable[[], int | None], stays_open: bool) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.upstream = upstream
        self.bytes_of = bytes_of
        self.stays_open = stays_open
        self.ended = threading.Event()
        self.cuts = 0
        self.sent: list[int] = []

    @property
    def url(self) -> str:
        """Return where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Connection(socketserver.BaseRequestHandler):
    """Takes one request and a part of its answer, and then closes in order."""

    server: Cutting

    def handle(self) -> None:
        left = self.server.bytes_of()
        with socket.create_connection(self.server.upstream, SECONDS) as service:
            service.sendall(self.request.recv(_CHUNK).replace(b"HTTP/1.1\r\n", _CLOSE, 1))
            sent = 0
            while part := service.recv(_CHUNK):
                if left is not None and len(part) > left:
                    self.request.sendall(part[:left])
                    self.server.cuts += 1
                    if self.server.stays_open:
                        self.server.ended.wait()
                    return
                left = None if left is None else left - len(part)
                self.request.sendall(part)
                sent += len(part)
            self.server.sent.append(sent)


_CLOSE = b"HTTP/1.1\r\nConnection: close\r\n"


@contextmanager
def cutting(
    upstream: Any, bytes_of: Callable[[], int | None], stays_open: bool = False
) -> Iterator[Cutting]:
    """Run the relay during the block."""
    with Cutting(upstream, bytes_of, stays_open) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.ended.set()
            server.shutdown()
            thread.join(SECONDS)
