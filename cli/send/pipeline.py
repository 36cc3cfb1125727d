"""Several chunks under way at once; their outcomes in order."""

import threading
from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue
from typing import NamedTuple

from cli.send.chunks import Chunk
from cli.send.outcome import Outcome

POLL_SECONDS = 0.1


class _Done(NamedTuple):
    """A chunk's outcome; without one it is the end of a thread."""

    number: int = -1
    outcome: Outcome | None = None


class Pipeline:
    """Threads that each take the next chunk and deliver it, no more than a window ahead of the
    oldest that is under way, so that memory is bounded.

    They are daemons: one may sit in a read from a terminal, or in a request without an answer.
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
        self._under_way: set[int] = set()
        self._is_idle = False
        self._is_exhausted = self._has_ended = False
        self._error: Exception | None = None

    @property
    def is_idle(self) -> bool:
        """No chunk was being delivered at the last None that `outcomes` gave."""
        return self._is_idle

    @property
    def is_complete(self) -> bool:
        """`outcomes` gave the outcome of all chunks there are."""
        return self._is_exhausted and self._has_ended and self._error is None

    @property
    def has_failed(self) -> bool:
        """Whether a delivery or the reading raised something."""
        return self._error is not None

    def stop(self) -> None:
        """Take no more chunks."""
        self._stopped.set()
        self._window.release(self._connections)

    def outcomes(self) -> Iterator[Outcome | None]:
        """Each chunk's outcome, in order; None every POLL_SECONDS in which there is none.

        Ends when all threads have; `raise_failure` tells why before the end of the input.
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
        """Raise what a delivery or the reading raised, if one did."""
        if self._error is not None:
            raise self._error

    def _get(self) -> _Done | None:
        idle = not self._under_way  # before the look: what was under way put its outcome first
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
            if taken is None or self._stopped.is_set():  # it may have been, during a long read
                self.stop()
                return None
            self._under_way.add(taken[0])
            return taken

    def _deliver_one(self, number: int, chunk: Chunk) -> None:
        try:
            self._done.put(_Done(number, self._deliver(chunk)))
        finally:
            self._under_way.discard(number)
