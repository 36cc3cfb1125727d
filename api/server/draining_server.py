"""uvicorn's server, which stops without breaking a request."""

import asyncio
import os
import socket
import ssl
from collections.abc import Callable
from typing import Any

import uvicorn

from api.server.refusing_protocol import RefusingProtocol
from api.server.tls_listener import TlsListener

# How long an idle connection stays open for a last request. A connection that is closed while a
# request is on its way is reset, and a proxy answers its client with 502.
LEAVE_SECONDS = 3.0
_POLL_SECONDS = 0.05


class DrainingServer(uvicorn.Server):
    """A server that stops in this order.

    1. Accept no more connections. On a shared socket, other processes take those that wait. End
       the streams, which have no end of their own.
    2. Answer current and new requests with `Connection: close`, until no connection is left, for
       LEAVE_SECONDS at most.
    3. Close the idle connections, refuse incomplete requests, and wait for the answers that are
       being prepared, for uvicorn's `timeout_graceful_shutdown` at most.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        ready_fd: int | None = None,
        tls: ssl.SSLContext | None = None,
        max_connections: int = 0,
        end_streams: Callable[[], None] = lambda: None,
    ) -> None:
        """Set `ready_fd`, which gets a line, and is closed, once connections are accepted.

        With `tls`, the server speaks HTTPS on the sockets that it is given, over `max_connections`.
        `end_streams` lets the application end its streams.
        """
        super().__init__(config)
        self._ready_fd = ready_fd
        self._tls = tls
        self._max_connections = max_connections
        self._end_streams = end_streams

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to accept connections, and report it to `ready_fd`."""
        if self._tls is None:
            await super().startup(sockets)
        else:
            await super().startup([])
            self.servers = [self._tls_listener(each, self._tls) for each in sockets or []]
        if self._ready_fd is not None and self.started:
            os.write(self._ready_fd, b"ready\n")
            os.close(self._ready_fd)

    def _tls_listener(self, listener: socket.socket, tls: ssl.SSLContext) -> Any:
        connections = self.server_state.connections
        return TlsListener(listener, tls, self._max_connections, connections, self._protocol)

    def _protocol(self) -> asyncio.Protocol:
        protocol: asyncio.Protocol = self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return protocol

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop in the order that the class describes."""
        for server in self.servers:
            server.close()
        for each in sockets or []:
            each.close()
        self._end_streams()
        await self._wait_for_clients()
        await super().shutdown(sockets)

    async def _wait_for_clients(self) -> None:
        clock = asyncio.get_running_loop().time
        end = clock() + LEAVE_SECONDS
        while self.server_state.connections and clock() < end and not self.force_exit:
            # Repeated: a connection that was accepted just before may be set up only now.
            for connection in self.server_state.connections:
                if isinstance(connection, RefusingProtocol):
                    connection.announce_close()
            await asyncio.sleep(_POLL_SECONDS)
