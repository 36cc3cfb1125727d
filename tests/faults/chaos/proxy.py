"""Proxy TCP connections to a unix socket: it can cut, refuse, delay and stall them."""

import asyncio
import socket
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

CHUNK = 65_536
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(eq=False)
class Link:
    """One connection and its other half."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter

    def cut(self) -> None:
        """Reset both halves at once."""
        self.client.transport.abort()
        self.server.transport.abort()


@dataclass
class Proxy:
    """A proxy of one port to `target`. Its methods run on its event loop."""

    target: Path
    port: int = 0
    refusing: bool = False
    delay_seconds: float = 0.0
    links: set[Link] = field(default_factory=set)

    async def start(self) -> None:
        """Listen on a free port."""
        self._asking, self._answering = asyncio.Event(), asyncio.Event()
        self.let_go()
        self._closed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop to listen, and cut all connections; nothing is left on return."""
        self._closed.set()
        self.let_go()
        self._server.close()
        self.cut()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """End every connection."""
        for link in list(self.links):
            link.cut()

    def hold_requests(self) -> None:
        """Hold back what clients send."""
        self._asking.clear()

    def hold_answers(self) -> None:
        """Hold back what the server answers."""
        self._answering.clear()

    def let_go(self) -> None:
        """Deliver what was held back, if the connection is still open."""
        self._asking.set()
        self._answering.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self.refusing or self._closed.is_set():
            _refuse(writer)
            return
        try:
            server = await asyncio.open_unix_connection(self.target)
        except OSError:  # nobody listens there now
            _refuse(writer)
            return
        link = Link(writer, server[1])
        self.links.add(link)
        try:
            await self._carry((reader, writer), server)
        finally:
            self.links.discard(link)

    async def _carry(self, client: Streams, server: Streams) -> None:
        ways = {
            asyncio.create_task(self._pump(client[0], server[1], answers=False)),
            asyncio.create_task(self._pump(server[0], client[1], answers=True)),
        }
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            for writer in (client[1], server[1]):
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answers: bool
    ) -> None:
        with suppress(OSError):
            while chunk := await reader.read(CHUNK):
                await self._hold(answers)
                writer.write(chunk)
                await writer.drain()

    async def _hold(self, answers: bool) -> None:
        if self.delay_seconds:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._closed.wait(), self.delay_seconds)
        await (self._answering if answers else self._asking).wait()


def _refuse(writer: asyncio.StreamWriter) -> None:
    """Refuse with a reset, as a port without a listener does."""
    plug: socket.socket = writer.get_extra_info("socket")
    plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    writer.transport.abort()
