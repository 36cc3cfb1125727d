"""Jobs that repeat beside the main work until they are stopped, in a thread or in an event loop.

The two differ in how they wait and stop: an asyncio client works only in its own event loop, which
a thread's round would block. Both report failures by one rule, `OutageLog`.
"""

import asyncio
import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from storage.failures import log_failure

STOP_SECONDS = 10.0

log = logging.getLogger(__name__)


class OutageLog:
    """What a job logs about its rounds: each kind of failure once per outage, and the recovery."""

    def __init__(self, job: str) -> None:
        self._job = job
        self._reported: set[type[Exception]] = set()

    @contextmanager
    def round(self) -> Iterator[None]:
        """Catch and log whatever fails in the block: nobody else would start the job again."""
        try:
            yield
        except Exception as error:  # noqa: BLE001
            self._report(error)
        else:
            self._recover()

    def _report(self, error: Exception) -> None:
        if type(error) not in self._reported:
            self._reported.add(type(error))
            log_failure(log, logging.WARNING, f"{self._job} failed and retries", error)

    def _recover(self) -> None:
        if self._reported:
            self._reported.clear()
            log.warning("%s recovered", self._job)


class PeriodicThread(ABC):
    """A daemon thread that calls `run_once` every `seconds`, whether or not a round fails."""

    def __init__(self, name: str, seconds: float, *, at_once: bool = False) -> None:
        """`at_once`: the first round runs at the start, and not after `seconds`."""
        self._seconds = seconds
        self._first_pause = 0.0 if at_once else seconds
        self._outages = OutageLog(name)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @abstractmethod
    def run_once(self) -> None:
        """Run one round. What it raises is logged; the next round runs all the same."""

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def request_stop(self) -> None:
        """Let the thread end after the current round, without waiting for it."""
        self._stopping.set()

    def stop(self, seconds: float | None = STOP_SECONDS) -> None:
        """End the thread: at once while it pauses, else after the current round.

        Waits for that at most `seconds`; None: without a limit.
        """
        self.request_stop()
        self._thread.join(seconds)

    def _run(self) -> None:
        pause = self._first_pause
        while not self._stopping.wait(pause):
            with self._outages.round():
                self.run_once()
            pause = self._seconds


class PeriodicTask(ABC):
    """A task of the event loop that calls `run_once` at the start and then every `seconds`."""

    def __init__(self, name: str, seconds: float) -> None:
        self._seconds = seconds
        self._outages = OutageLog(name)
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @abstractmethod
    async def run_once(self) -> None:
        """Run one round. What it raises is logged; the next round runs all the same."""

    def start(self) -> None:
        """Start the task in the running event loop."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End the task: at once while it pauses, else after the current round.

        The round is not cancelled: redis-py may take a cancellation for a lost connection, and the
        task would never end.
        """
        self._stopping.set()
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        while not self._stopping.is_set():
            with self._outages.round():
                await self.run_once()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._seconds):
                    await self._stopping.wait()
