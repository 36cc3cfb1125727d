"""What the faults did that the verdict and the witness must know of."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

# Numbers of the events that PostgreSQL refuses: this one, and on below it.
FIRST_GUILTY = -1_000_000_000


@dataclass
class Record:
    """Written by the main thread, read by the witness's too."""

    guilty: list[tuple[str, int]] = field(default_factory=list)  # as promised: id and number
    guilty_posted: int = 0
    garbage: list[bytes] = field(default_factory=list)
    frozen: list[tuple[float, float]] = field(default_factory=list)

    @property
    def guilty_numbers(self) -> range:
        """Those that were posted."""
        return range(FIRST_GUILTY - self.guilty_posted + 1, FIRST_GUILTY + 1)

    @contextmanager
    def queue_frozen(self) -> Iterator[None]:
        """While the block runs the queue answers nobody."""
        start = time.monotonic()
        self.frozen.append((start, float("inf")))
        try:
            yield
        finally:
            self.frozen[-1] = (start, time.monotonic())

    def was_frozen(self, start: float, end: float) -> bool:
        """Whether the queue stood still from the one to the other instant."""
        return any(first < start and end < last for first, last in list(self.frozen))
