"""How many entries to read at once, so that a batch keeps to its bytes. Pure."""

_FIRST = 128  # events of the greatest size still fit into memory easily


class BatchSize:
    """Learns from each batch, over all drains of a process: few large events, or many small."""

    def __init__(self, max_events: int, aim_bytes: int) -> None:
        self._max_events = max_events
        self._aim_bytes = aim_bytes
        self.start_over()

    def start_over(self) -> None:
        """Something failed, perhaps for the size of the batch."""
        self.count = min(_FIRST, self._max_events)

    def learn(self, events: int, size: int) -> None:
        """A batch of so many events had `size` bytes. Grows fourfold at most, shrinks at once."""
        fitting = self._aim_bytes * events // max(size, 1)
        self.count = max(1, min(fitting, self.count * 4, self._max_events))
