"""Speak HTTP by hand: requests that no well-behaved client sends."""

import http.client
import io
import socket
from dataclasses import dataclass

from testbed.service import Service

SECONDS = 60


@dataclass(frozen=True)
class Answer:
    """One answer, read to its end."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes


class _Stream(io.BufferedReader):
    """The received bytes that are not read yet; they outlive the answer that was read last."""

    def makefile(self, mode: str) -> "_Stream":
        """Return this stream: `HTTPResponse` closes its file after each answer."""
        return self

    def close(self) -> None:
        """Do nothing: the connection closes the stream."""


class Raw:
    """One connection. A read that gets nothing for SECONDS fails the test as a hang."""

    def __init__(self, running: Service) -> None:
        self.socket = socket.create_connection(running.listener.getsockname(), SECONDS)
        self._stream = _Stream(socket.SocketIO(self.socket, "r"))

    def __enter__(self) -> "Raw":
        return self

    def __exit__(self, *error: object) -> None:
        self.socket.close()

    def send(self, *parts: bytes) -> None:
        """Send what the server still accepts; it may have answered and closed already."""
        try:
            for part in parts:
                self.socket.sendall(part)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def answer(self, method: str = "POST") -> Answer:
        """Read the next answer."""
        response = http.client.HTTPResponse(self._stream, method=method)  # type: ignore[arg-type]
        response.begin()
        return Answer(response.status, response.headers, response.read())

    def is_closed(self) -> bool:
        """Return whether the server has closed in order: an end, not a reset."""
        return self._stream.read(1) == b""


def request(
    body: bytes = b"", method: bytes = b"POST", path: bytes = b"/events", *headers: bytes
) -> bytes:
    """Build a request; it has a Content-Length only if the headers give one."""
    lines = [method + b" " + path + b" HTTP/1.1", b"Host: localhost", *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body
