"""Record what the faults did, for the verdict and the witness."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

# numbers of the events that PostgreSQL refuses: this one and below
FIRST_GUILTY = -1_000_000_000


@dataclass
class Record:
    """A record that the main thread writes, and the witness's thread reads too."""

    guilty: list[tuple[str, int]] = field(default_factory=list)  # as acknowledged: id and number
    guilty_posted: int = 0
    garbage: list[bytes] = field(default_factory=list)
    frozen: list[tuple[float, float]] = field(default_factory=list)

    @property
    def guilty_numbers(self) -> range:
        """Return the numbers of the events that were posted to be refused."""
        return range(FIRST_GUILTY - self.guilty_posted + 1, FIRST_GUILTY + 1)

    @contextmanager
    def queue_frozen(self) -> Iterator[None]:
        """Mark the queue as frozen for the block."""
        start = time.monotonic()
        self.frozen.append((start, float("inf")))
        try:
            yield
        finally:
            self.frozen[-1] = (start, time.monotonic())

    def was_frozen(self, start: float, end: float) -> bool:
        """Return whether the queue was frozen all the time between the two instants."""
        return any(first < start and end < last for first, last in list(self.frozen))
