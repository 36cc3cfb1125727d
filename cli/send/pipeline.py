"""Deliver several chunks at a time, and return their outcomes in order."""

import threading
from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue
from typing import NamedTuple

from cli.send.chunks import Chunk
from cli.send.outcome import Outcome

POLL_SECONDS = 0.1


class _Done(NamedTuple):
    """The outcome of a chunk, or the end of a thread if there is no outcome."""

    number: int = -1
    outcome: Outcome | None = None


class Pipeline:
    """Threads that each take the next chunk and deliver it.

    They stay within a window after the oldest unfinished chunk, so that memory is bounded. They are
    daemons, because one may be blocked in a read from a terminal or in a request.
    """

    def __init__(
        self, chunks: Iterator[Chunk], deliver: Callable[[Chunk], Outcome], connections: int
    ) -> None:
        self._chunks = enumerate(chunks)
        self._deliver = deliver
        self._connections = connections
        self._taking = threading.Lock()
        self._window = threading.Semaphore(2 * connections)
        self._done: SimpleQueue[_Done] = SimpleQueue()
        self._stopped = threading.Event()
        self._in_delivery: set[int] = set()
        self._is_idle = False
        self._is_exhausted = self._has_ended = False
        self._error: Exception | None = None

    @property
    def is_idle(self) -> bool:
        """Return whether no chunk was in delivery when `outcomes` last gave None."""
        return self._is_idle

    @property
    def is_complete(self) -> bool:
        """Return whether `outcomes` gave the outcome of every chunk."""
        return self._is_exhausted and self._has_ended and self._error is None

    @property
    def has_failed(self) -> bool:
        """Return whether a delivery or the reading raised an error."""
        return self._error is not None

    def stop(self) -> None:
        """Take no more chunks."""
        self._stopped.set()
        self._window.release(self._connections)

    def outcomes(self) -> Iterator[Outcome | None]:
        """Return the outcome of each chunk, in order, and None after POLL_SECONDS without one.

        Ends when every thread has ended. `raise_failure` raises the error if there was one.
        """
        for _ in range(self._connections):
            threading.Thread(target=self._run, daemon=True).start()
        early: dict[int, Outcome] = {}
        expected, running = 0, self._connections
        while running:
            done = self._get()
            if done is None:
                yield None
            elif done.outcome is None:
                running -= 1
            else:
                early[done.number] = done.outcome
                while expected in early:
                    yield early.pop(expected)
                    expected += 1
                    self._window.release()
        self._has_ended = True

    def raise_failure(self) -> None:
        """Raise the error of a delivery or of the reading, if there was one."""
        if self._error is not None:
            raise self._error

    def _get(self) -> _Done | None:
        idle = (
            not self._in_delivery
        )  # read before the queue: a chunk puts its outcome there before it is finished
        try:
            return self._done.get(timeout=POLL_SECONDS)
        except Empty:
            self._is_idle = idle
            return None

    def _run(self) -> None:
        try:
            while (taken := self._take()) is not None:
                self._deliver_one(*taken)
        except Exception as error:  # noqa: BLE001 - for `raise_failure`
            self._error = self._error or error
            self.stop()
        finally:
            self._done.put(_Done())

    def _take(self) -> tuple[int, Chunk] | None:
        self._window.acquire()
        with self._taking:
            if self._stopped.is_set():
                return None
            taken = next(self._chunks, None)
            self._is_exhausted = taken is None
            if taken is None or self._stopped.is_set():  # perhaps stopped during a long read
                self.stop()
                return None
            self._in_delivery.add(taken[0])
            return taken

    def _deliver_one(self, number: int, chunk: Chunk) -> None:
        try:
            self._done.put(_Done(number, self._deliver(chunk)))
        finally:
            self._in_delivery.discard(number)
