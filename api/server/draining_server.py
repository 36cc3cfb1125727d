"""uvicorn's server, which stops without breaking a request."""

import asyncio
import os
import socket

import uvicorn

from api.server.refusing_protocol import RefusingProtocol

# How long an idle connection stays open for a last request. A connection that is closed while a
# request is on its way is reset, and a proxy answers its client with 502.
LEAVE_SECONDS = 3.0
_POLL_SECONDS = 0.05


class DrainingServer(uvicorn.Server):
    """A server that stops in this order.

    1. Accept no more connections. On a shared socket, other processes take those that wait.
    2. Answer current and new requests with `Connection: close`, until no connection is left, for
       LEAVE_SECONDS at most.
    3. Close the idle connections, refuse incomplete requests, and wait for the answers that are
       being prepared, for uvicorn's `timeout_graceful_shutdown` at most.
    """

    def __init__(self, config: uvicorn.Config, ready_fd: int | None = None) -> None:
        """Set `ready_fd`, which gets a line, and is closed, once connections are accepted."""
        super().__init__(config)
        self._ready_fd = ready_fd

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to accept connections, and report it to `ready_fd`."""
        await super().startup(sockets)
        if self._ready_fd is not None and self.started:
            os.write(self._ready_fd, b"ready\n")
            os.close(self._ready_fd)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop in the order that the class describes."""
        for server in self.servers:
            server.close()
        for each in sockets or []:
            each.close()
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
