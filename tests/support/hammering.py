"""Post far more events than a key may, over many connections, and count the answers."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from time import monotonic

from testbed.service import Service

PIPELINED = 20  # posts that a client sends before it reads their answers
PAUSE_SECONDS = 0.02  # between two rounds of a client, so that refusals don't take all processors
SECONDS = 60.0

_EVENT = json.dumps({"component": "hammer", "environment": "test", "message": "x"}).encode()
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n")


class Hammer:
    """Clients that post one event after the other, and what they were answered."""

    def __init__(self, token: str) -> None:
        self.answers: Counter[int] = Counter()
        self.refused_at: list[float] = []
        head = (
            f"POST /events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(_EVENT)}\r\n\r\n"
        )
        self._posts = (head.encode() + _EVENT) * PIPELINED

    def run(self, services: Sequence[Service], is_done: Callable[[], bool], clients: int) -> None:
        """Post to each of the services with so many clients, until it is done."""
        asyncio.run(self._run(services, is_done, clients))

    @property
    def accepted(self) -> int:
        """Return how many events were accepted."""
        return self.answers[202]

    def pauses(self, longer_than: float, begin: float, end: float) -> float:
        """Return by how much the times without a refusal were too long, in all."""
        times = [begin, *self.refused_at, end]
        gaps = [b - a for a, b in pairwise(times)]
        return sum(gap - longer_than for gap in gaps if gap > longer_than)

    async def _run(
        self, services: Sequence[Service], is_done: Callable[[], bool], clients: int
    ) -> None:
        async with asyncio.TaskGroup() as tasks:
            for running in services:
                for _ in range(clients):
                    tasks.create_task(self._client(running, is_done))

    async def _client(self, running: Service, is_done: Callable[[], bool]) -> None:
        host, port = running.listener.getsockname()
        reader, writer = await asyncio.open_connection(host, port)
        try:
            while not is_done():
                async with asyncio.timeout(SECONDS):
                    writer.write(self._posts)
                    for _ in range(PIPELINED):
                        await self._read(reader)
                await asyncio.sleep(PAUSE_SECONDS)
        finally:
            writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(head)
        assert length, head
        await reader.readexactly(int(length[1]))
        status = int(head.split(b" ", 2)[1])
        self.answers[status] += 1
        if status == 429:
            self.refused_at.append(monotonic())
