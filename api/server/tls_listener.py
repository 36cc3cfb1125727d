"""Accept connections of HTTPS, with bounds on their handshakes.

uvicorn gets a connection only after its handshake. Until then it would neither count it nor wait
for it when the server stops, and a client may take a minute for it. So this accepts by itself.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable, MutableSet
from typing import Any

HANDSHAKE_SECONDS = 10.0
# How long a connection may take to end. A client without progress is disconnected much earlier:
# api/server/unread_answers.py.
ENDING_SECONDS = 3600.0
PAUSE_SECONDS = 0.5  # when the system has no file or no memory for a new connection


class TlsListener:
    """Accepts from a socket, in the place of the servers that uvicorn starts.

    `connections` are uvicorn's; a handshake is one of them until it has ended, so that a stop waits
    for it. When there are `max_connections`, further ones are closed. `http` makes the protocol of
    a connection.
    """

    def __init__(
        self,
        listener: socket.socket,
        context: ssl.SSLContext,
        max_connections: int,
        connections: MutableSet[Any],
        http: Callable[[], asyncio.Protocol],
    ) -> None:
        self._listener = listener
        self._context = context
        self._max_connections = max_connections
        self._connections = connections
        self._http = http
        self._loop = asyncio.get_running_loop()
        self._pause: asyncio.TimerHandle | None = None
        self._listener.setblocking(False)
        self._listen()

    def close(self) -> None:
        """Accept no more connections. The socket stays open: other processes accept from it."""
        if self._pause is not None:
            self._pause.cancel()
        if self._listener.fileno() >= 0:  # this is called twice, and the socket closed in between
            self._loop.remove_reader(self._listener)

    async def wait_closed(self) -> None:
        """Return at once: nothing is left to close."""

    def _listen(self) -> None:
        self._loop.add_reader(self._listener, self._accept)

    def _accept(self) -> None:
        """Accept one connection: another process may take the next."""
        try:
            client, _ = self._listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError:
            self._loop.remove_reader(self._listener)
            self._pause = self._loop.call_later(PAUSE_SECONDS, self._listen)
            return
        if len(self._connections) >= self._max_connections:
            client.close()
            return
        client.setblocking(False)
        handshake = _Handshake()
        self._connections.add(handshake)
        handshake.task = self._loop.create_task(self._shake_hands(client))
        handshake.task.add_done_callback(lambda _: self._connections.discard(handshake))

    async def _shake_hands(self, client: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(
                self._http,
                client,
                ssl=self._context,
                ssl_handshake_timeout=HANDSHAKE_SECONDS,
                ssl_shutdown_timeout=ENDING_SECONDS,
            )
        except OSError:  # also ssl.SSLError: the client's fault, or it has gone
            client.close()


class _Handshake:
    """A connection whose handshake has not ended."""

    task: asyncio.Task[None]

    def shutdown(self) -> None:
        """End it: the server has waited for it, and stops."""
        self.task.cancel()
