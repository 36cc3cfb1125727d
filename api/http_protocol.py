"""uvicorn's HTTP protocol with a bound on the head of a request, on its bytes and its time.

Without it a client may send headers for ever: they are kept until they end.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES = 64 * 1024

_REFUSAL = (
    b"HTTP/1.1 %b\r\ncontent-type: application/problem+json\r\ncontent-length: %d\r\n"
    b"connection: close\r\n\r\n%b"
)


class BoundedHeadProtocol(HttpToolsProtocol):
    """Refuses a head that is too long with 431, one that is too slow with 408, and hangs up."""

    def __init__(self, *arguments: Any, head_seconds: float, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._head_seconds = head_seconds
        self._head_is_open = False
        self._head_bytes = 0
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A new connection must send its first head in time."""
        super().connection_made(transport)
        self._start_clock()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is awaited any more."""
        self._stop_clock()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse, and count what belongs to a head that has not ended."""
        super().data_received(data)
        if not self._head_is_open:
            return
        self._head_bytes += len(data)
        if self._head_bytes > HEAD_BYTES:
            self._refuse(b"431 Request Header Fields Too Large", "Its headers are too long.")
        elif self._deadline is None:
            self._start_clock()

    def on_message_begin(self) -> None:
        """The parser saw the first byte of a request."""
        self._head_is_open = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The parser saw the end of its head."""
        self._head_is_open = False
        self._head_bytes = 0
        if self._deadline is not None:
            self._stop_clock()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """What the parser can't read, as a problem document and with the usual reason."""
        detail = "This is not HTTP/1.1. In a URL, characters beyond ASCII must be percent-encoded."
        self._refuse(b"400 Bad Request", detail)

    def _start_clock(self) -> None:
        self._deadline = self.loop.call_later(
            self._head_seconds, self._refuse, b"408 Request Timeout", "Its headers came too slowly."
        )

    def _stop_clock(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _refuse(self, status: bytes, detail: str) -> None:
        self._stop_clock()
        self._head_is_open = False
        if self.transport.is_closing():
            return
        body = (
            f'{{"type":"about:blank","title":"{status[4:].decode()}",'
            f'"status":{status[:3].decode()},"detail":"{detail}"}}'
        ).encode()
        self.transport.write(_REFUSAL % (status, len(body), body))
        self.transport.close()
