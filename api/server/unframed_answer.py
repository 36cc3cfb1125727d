"""An answer of unknown length to an HTTP/1.0 client, which ends with its connection.

HTTP/1.0 has no chunks (RFC 9112, 6.1). So only the kind of end tells whether the answer is whole:
until then, the system resets the connection however it is closed, even if this process is killed.
"""

import asyncio
import socket
import struct
from typing import Any

_RESET = struct.pack("ii", 1, 0)  # of SO_LINGER: close at once, drop what is unsent
_IN_ORDER = struct.pack("ii", 0, 0)


class UnframedAnswer:
    """The answer of one of uvicorn's requests, whose connection closes behind it."""

    def __init__(self, cycle: Any) -> None:
        self._cycle = cycle
        self._transport: asyncio.Transport = cycle.transport
        cycle.keep_alive = False
        cycle.chunked_encoding = False
        self._set_end(_RESET)

    async def prepare(self, message: Any) -> None:
        """Let uvicorn send this part as it is. Before the last one, let the system have all."""
        if message["type"] != "http.response.body":
            return
        if self._cycle.scope["method"] != "HEAD":
            self._cycle.expected_content_length = len(message.get("body", b""))
        if not message.get("more_body"):
            self._transport.set_write_buffer_limits(0)
            await self._cycle.flow.drain()
            self._set_end(_IN_ORDER)

    def break_off(self) -> None:
        """Reset the connection."""
        self._transport.abort()

    def _set_end(self, linger: bytes) -> None:
        connection = self._transport.get_extra_info("socket")
        if connection is not None and not self._transport.is_closing():
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
