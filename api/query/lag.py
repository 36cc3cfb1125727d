"""The header `Activity-Lag`: how far the history is behind what was accepted."""

import math
from collections.abc import Sequence
from time import monotonic

from storage.queue.inspector import ShardState, greatest_lag

NAME = "Activity-Lag"
KNOWN_SECONDS = 2.0  # an older reading of the queue tells nothing of now

_NAME = NAME.lower().encode()
UNKNOWN = (_NAME, b"unknown")


class Lag:
    """The age of the oldest event that is accepted and not stored, as of the last reading.

    Its owner reads the queue, and shows each reading to `observe`.
    """

    def __init__(self) -> None:
        self._read_at = -math.inf
        self._known: float | None = None
        self._header = UNKNOWN

    def observe(self, read_at: float, shards: Sequence[ShardState]) -> None:
        """Take a reading of the queue that began at `read_at`, by the monotonic clock."""
        if read_at < self._read_at:  # another reader was faster
            return
        self._read_at = read_at
        self._known = greatest_lag(shards)
        self._header = _header(self._known, any(shard.backlog for shard in shards))

    @property
    def seconds(self) -> float | None:
        """The lag; None if it is unknown, or was read more than KNOWN_SECONDS ago."""
        return self._known if monotonic() < self._read_at + KNOWN_SECONDS else None

    def header(self) -> tuple[bytes, bytes]:
        """Return the header of an answer to a reader."""
        return self._header if monotonic() < self._read_at + KNOWN_SECONDS else UNKNOWN


def _header(seconds: float | None, is_waiting: bool) -> tuple[bytes, bytes]:
    """Return the header with tenths, rounded up: 0.0 only if nothing waits."""
    if seconds is None:
        return UNKNOWN
    tenths = max(math.ceil(seconds * 10), int(is_waiting))
    return _NAME, b"%.1f" % (tenths / 10)
