"""Measure for how long no event was acknowledged, by the growth of the ledger."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

POLL_SECONDS = 0.02
SHORTEST = 0.1  # seconds; a shorter gap is none


class Acceptance:
    """A thread that notes the gaps between acknowledged events."""

    def __init__(self, ledger: Path) -> None:
        self._ledger = ledger
        self._gaps: list[tuple[float, float]] = []
        self._last = time.monotonic()
        self._stop = threading.Event()

    def stop(self) -> None:
        """Stop the thread."""
        self._stop.set()

    def watch(self) -> None:
        """Watch until `stop`."""
        size = 0
        while not self._stop.wait(POLL_SECONDS):
            grown, now = self._size(), time.monotonic()
            if grown > size:
                if now - self._last >= SHORTEST:
                    self._gaps.append((self._last, now))
                size, self._last = grown, now

    def _size(self) -> int:
        return self._ledger.stat().st_size if self._ledger.exists() else 0

    def longest_gap(self, since: float) -> float:
        """Return the seconds of the longest gap that ended after that instant, or has not ended."""
        gaps = [*self._gaps, (self._last, time.monotonic())]
        return max(end - start for start, end in gaps if end > since)


@contextmanager
def watched(ledger: Path) -> Iterator[Acceptance]:
    """Watch the ledger for the block."""
    found = Acceptance(ledger)
    thread = threading.Thread(target=found.watch)
    thread.start()
    try:
        yield found
    finally:
        found.stop()
        thread.join()
