"""Download an export by hand, in part or whole, and go on where it broke off."""

import socket
import zlib
from types import TracebackType
from urllib.parse import urlencode

from testbed.service import Service

SECONDS = 60
_CHUNK = 16 * 1024


class Download:
    """One export on a connection of its own, read as far as it is told.

    `body`: what came of the body, decoded. `is_whole`: whether the last chunk came.
    `is_closed_in_order`: whether the server has closed the connection, and has not reset it.
    """

    def __init__(
        self, running: Service, query: str = "", *headers: str, version: str = "1.1"
    ) -> None:
        self.socket = socket.create_connection(running.listener.getsockname(), SECONDS)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        mine = running.http.headers.get("authorization")
        if mine and not any(line.startswith("Authorization:") for line in headers):
            headers = (*headers, f"Authorization: {mine}")
        lines = [f"GET /events/export?{query} HTTP/{version}", "Host: localhost", *headers]
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode())
        self._raw = b""
        self._left = 0  # of a chunk
        self._is_last = False
        self._gunzip = zlib.decompressobj(31)
        self.body = bytearray()
        self.is_whole = False
        self.is_closed_in_order = False
        while b"\r\n\r\n" not in self._raw:
            assert self._receive(), "no head of an answer"
        head, _, self._raw = self._raw.partition(b"\r\n\r\n")
        first, *rest = head.decode().split("\r\n")
        self.status = int(first.split()[1])
        self.headers = dict(line.lower().split(": ", 1) for line in rest)

    def __enter__(self) -> "Download":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.socket.close()

    def read(self, size: int | None = None) -> bytes:
        """Read until the body has so many bytes, or to its end; return the body."""
        while (size is None or len(self.body) < size) and not self.is_whole:
            self._take_chunks()
            if not self.is_whole and not self._receive():
                break
        return bytes(self.body)

    def receive_plain(self) -> bool:
        """Read a part of a body without chunks; return whether there may be more."""
        goes_on = self._receive()
        self.body += self._raw
        self._raw = b""
        return goes_on

    def _receive(self) -> bool:
        try:
            received = self.socket.recv(_CHUNK)
        except ConnectionResetError:
            return False
        self.is_closed_in_order = not received
        self._raw += received
        return bool(received)

    def _take_chunks(self) -> None:
        """Take all that has come, of a chunk that is not complete too."""
        while not self.is_whole:
            if self._left:
                taken, self._raw = self._raw[: self._left], self._raw[self._left :]
                self._left -= len(taken)
                self._add(taken)
            line, end, rest = self._raw.partition(b"\r\n")
            if self._left or not end:
                return
            self._raw = rest
            if line:  # an empty one ends a chunk, and all after the last chunk
                self._left = int(line, 16)
                self._is_last = not self._left
            else:
                self.is_whole = self._is_last

    def _add(self, part: bytes) -> None:
        zipped = self.headers.get("content-encoding") == "gzip"
        self.body += self._gunzip.decompress(part) if zipped else part


def query_of(**params: object) -> str:
    """Return the query string."""
    return urlencode(params, doseq=True)
