"""How fast the queue is drained, and when it will have room again. Pure."""

from storage.queue.counter_rate import CounterRate

WINDOW_SECONDS = 15.0
MAX_SECONDS = 60  # after a longer time, asking again is better than an estimate
UNKNOWN_SECONDS = 2


class DrainRate(CounterRate):
    """Events stored per second, from samples of a counter."""

    def __init__(self) -> None:
        super().__init__(WINDOW_SECONDS)

    def seconds_for(self, events: int) -> int:
        """Return the whole seconds until `events` more are stored, from 1 to MAX_SECONDS."""
        rate = self.per_second
        if rate is None:
            return UNKNOWN_SECONDS
        if rate <= 0:
            return MAX_SECONDS if events else UNKNOWN_SECONDS
        return max(1, min(MAX_SECONDS, -int(-events // rate)))
