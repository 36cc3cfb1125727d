"""uvicorn's server, stopping without breaking a request."""

import asyncio
import os
import socket

import uvicorn

from api.server.refusing_protocol import RefusingProtocol

# How long an idle connection is kept for its client's next request: one that is closed while a
# request is on its way to it is reset, and a proxy makes a 502 of that.
LEAVE_SECONDS = 3.0
_POLL_SECONDS = 0.05


class DrainingServer(uvicorn.Server):
    """Stops in this order.

    1. Accept no more. On a shared socket what waits is left to the other processes.
    2. Answer with `Connection: close` whatever is under way or still comes, until no connection
       is left, for LEAVE_SECONDS at most.
    3. Close the idle connections, refuse what has not come whole, and wait for the answers that
       are being made, for uvicorn's `timeout_graceful_shutdown` at most.
    """

    def __init__(self, config: uvicorn.Config, ready_fd: int | None = None) -> None:
        """A line is written to `ready_fd`, and it is closed, once connections are accepted."""
        super().__init__(config)
        self._ready_fd = ready_fd

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets)
        if self._ready_fd is not None and self.started:
            os.write(self._ready_fd, b"ready\n")
            os.close(self._ready_fd)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop, as the class says."""
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
            # Again and again: a connection may have been accepted just before, and be made now.
            for connection in self.server_state.connections:
                if isinstance(connection, RefusingProtocol):
                    connection.announce_close()
            await asyncio.sleep(_POLL_SECONDS)
