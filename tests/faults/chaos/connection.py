"""Keep one connection of the load generator: HTTP by hand, because it must cost little."""

import asyncio
from typing import Self

CONNECT_SECONDS = 2.0
ANSWER_SECONDS = 15.0  # longer than the service lets any client wait for its queue
REQUESTS = 300  # then a new connection, so that a restarted process gets its share


class Unconnected(Exception):
    """No request was sent, because nobody listens."""


class Unanswered(Exception):
    """The request was sent, and its result is unknown."""


class Connection:
    """A connection that posts one body after the other."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._left = REQUESTS

    @classmethod
    async def open(cls, port: int) -> Self:
        """Connect. Raises Unconnected."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                return cls(*await asyncio.open_connection("127.0.0.1", port))
        except (OSError, TimeoutError) as error:
            raise Unconnected(repr(error)) from error

    @property
    def usable(self) -> bool:
        """Return whether another request may be sent."""
        return self._left > 0

    async def post(self, body: bytes) -> tuple[int, str]:
        """Return status and Location. After Unanswered the connection is unusable."""
        self._left -= 1
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                self._writer.write(_request(body))
                head = await self._reader.readuntil(b"\r\n\r\n")
                status, headers = _parse(head)
                await self._reader.readexactly(int(headers.get("content-length", "0")))
        except (OSError, EOFError, TimeoutError) as error:
            self._left = 0
            raise Unanswered(repr(error)) from error
        if headers.get("connection") == "close":
            self._left = 0
        return status, headers.get("location", "")

    def close(self) -> None:
        """Close now, even during a request."""
        self._writer.transport.abort()


def _request(body: bytes) -> bytes:
    return (
        b"POST /events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    )


def _parse(head: bytes) -> tuple[int, dict[str, str]]:
    first, *lines = head.decode("latin-1").rstrip().split("\r\n")
    pairs = (line.split(":", 1) for line in lines)
    return int(first.split(" ", 2)[1]), {name.lower(): value.strip() for name, value in pairs}
