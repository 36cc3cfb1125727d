"""How many entries to read at once, so that a batch has about the wanted size in bytes. Pure."""

_FIRST = 128  # so many events of the greatest size still fit into memory easily


class BatchSize:
    """An estimate that all drains of a process share: few large events, or many small ones."""

    def __init__(self, max_events: int, aim_bytes: int) -> None:
        self._max_events = max_events
        self._aim_bytes = aim_bytes
        self.start_over()

    def start_over(self) -> None:
        """Return to the first size: the last batch failed, perhaps because of its size."""
        self.count = min(_FIRST, self._max_events)

    def learn(self, events: int, size: int) -> None:
        """Adapt to a batch of `events` that had `size` bytes: grow fourfold at most."""
        fitting = self._aim_bytes * events // max(size, 1)
        self.count = max(1, min(fitting, self.count * 4, self._max_events))
