"""Generate load in a separate process until SIGTERM: `python -m tests.faults.chaos.load`.

Each event has its own number in `data.n` and is sent once, whatever happens to it: a number that is
stored twice is a fault of the service. The pace does not wait for answers. Events that could not be
sent while the service stood still are sent as soon as possible, like those of producers with a
buffer.
"""

import argparse
import asyncio
import json
import signal
from collections import Counter
from contextlib import suppress
from pathlib import Path

import uvloop

from tests.faults.chaos.connection import Connection, Unanswered, Unconnected
from tests.faults.chaos.ledger import Ledger, open_ledger

TICK_SECONDS = 0.005
BUFFER_SECONDS = 10  # an event that has waited longer is never sent

ACKNOWLEDGED = "acknowledged"
UNANSWERED = "unanswered"
UNCONNECTED = "unconnected"


class Load:
    """A source of events at a pace, over connections that share the work."""

    def __init__(self, rate: int, ledger: Ledger) -> None:
        self.posted = 0
        self.outcomes: Counter[str] = Counter()
        self._rate = rate
        self._ledger = ledger
        self._due: asyncio.Queue[bool] = asyncio.Queue()
        self._stop = asyncio.Event()

    def stop(self) -> None:
        """Send no more events; wait for those that were sent."""
        self._stop.set()

    async def run(self, ports: list[int]) -> None:
        """Run one connection for each port (a port may be given several times), until `stop`."""
        async with asyncio.TaskGroup() as tasks:
            for port in ports:
                tasks.create_task(self._produce(port))
            await self._pace()
            for _ in ports:
                self._due.put_nowait(False)

    async def _pace(self) -> None:
        clock = asyncio.get_running_loop().time
        start, issued = clock(), 0
        while not self._stop.is_set():
            due = int((clock() - start) * self._rate)
            room = self._rate * BUFFER_SECONDS - self._due.qsize()
            for _ in range(min(due - issued, room)):
                self._due.put_nowait(True)
            issued = due
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), TICK_SECONDS)

    async def _produce(self, port: int) -> None:
        connection: Connection | None = None
        while await self._due.get():
            number, self.posted = self.posted, self.posted + 1
            try:
                connection = connection or await Connection.open(port)
                self._note(number, *await connection.post(_body(number)))
            except Unconnected:
                self.outcomes[UNCONNECTED] += 1
            except Unanswered:
                self.outcomes[UNANSWERED] += 1
            if connection and not connection.usable:
                connection.close()
                connection = None
        if connection:
            connection.close()

    def _note(self, number: int, status: int, location: str) -> None:
        if status == 202:
            self._ledger.promised(location.removeprefix("/events/"), number)
        self.outcomes[ACKNOWLEDGED if status == 202 else str(status)] += 1


def _body(number: int) -> bytes:
    event = {
        "component": f"load-{number % 5}",
        "environment": "chaos" if number % 3 else "calm",
        "message": f"event {number} of the load",
        "email": f"user{number % 11}@example.com",
        "data": {"n": number, "filler": "x" * 80},
    }
    return json.dumps(event).encode()


async def _run(options: argparse.Namespace, ledger: Ledger) -> dict[str, object]:
    load = Load(options.rate, ledger)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, load.stop)
    await load.run(options.ports)
    return {"posted": load.posted, "outcomes": load.outcomes}


def main() -> None:
    """Post until SIGTERM, then write the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, required=True)
    parser.add_argument("--ledger", type=Path, required=True)
    parser.add_argument("--counts", type=Path, required=True)
    parser.add_argument("ports", type=int, nargs="+")
    options = parser.parse_args()
    with (
        open_ledger(options.ledger) as ledger,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        options.counts.write_text(json.dumps(runner.run(_run(options, ledger))))


if __name__ == "__main__":
    main()
