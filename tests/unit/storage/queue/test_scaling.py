"""What follows `workers_wanted` keeps up with arrivals that rise and fall, in a model.

A worker stores 2,000 events/s. A scaler asks every 15 s, new workers run 20 s later, and it waits
120 s before it takes some away, as KEDA with its defaults and a HorizontalPodAutoscaler do.
"""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from storage.queue.counter_rate import CounterRate
from storage.queue.pace import workers_wanted

PACE, SHARDS = 2000, 8
ASK_SECONDS, START_SECONDS, CALM_SECONDS = 15, 20, 120
ONE_BATCH = 5000  # a worker has read at most so many entries that are not acknowledged


def arrivals(second: int) -> int:
    steps = [(300, 1500), (900, 9000), (1500, 1500), (2000, 0), (3000, 1500)]
    return next(rate for end, rate in steps if second < end)


@dataclass
class Model:
    """A queue and its workers, second by second."""

    accepted: CounterRate = field(default_factory=lambda: CounterRate(30, 5))
    waiting: deque[list[int]] = field(default_factory=deque)  # [second of arrival, events]
    total: int = 0
    workers: int = 1
    changes: int = 0
    worst_lag: int = 0

    @property
    def backlog(self) -> int:
        return sum(events for _, events in self.waiting)

    def turn(self, second: int) -> None:
        """Accept and store for a second."""
        self.total += arrivals(second)
        self.accepted.observe(second, self.total)
        self.waiting.append([second, arrivals(second)])
        left = min(self.workers, SHARDS) * PACE
        while self.waiting and left >= self.waiting[0][1]:
            left -= self.waiting.popleft()[1]
        if self.waiting:
            self.waiting[0][1] -= left
            self.worst_lag = max(self.worst_lag, second - self.waiting[0][0])


def run(wanted: Callable[[Model], int | None]) -> Model:
    model, coming, changed = Model(), deque[tuple[int, int]](), 0
    for second in range(3000):
        while coming and second >= coming[0][0]:
            model.workers = coming.popleft()[1]
        model.turn(second)
        target = coming[-1][1] if coming else model.workers
        asked = wanted(model) if second % ASK_SECONDS == 0 else None
        if asked is None or asked == target:
            continue
        if asked > target or second - changed > CALM_SECONDS:
            coming.append((second + (START_SECONDS if asked > target else 1), asked))
            changed, model.changes = second, model.changes + 1
    return model


def test_the_lag_stays_below_28_seconds_with_5_changes() -> None:
    model = run(
        lambda now: workers_wanted(now.accepted.per_second, now.backlog, float(PACE), SHARDS)
    )
    assert model.worst_lag <= 27
    assert model.changes <= 5
    assert (model.backlog, model.workers) == (0, 1)


def test_entries_that_are_read_and_not_acknowledged_never_scale() -> None:
    """Each worker has at most one batch of them, however many events wait."""
    model = run(lambda now: math.ceil(min(now.backlog, now.workers * ONE_BATCH) / ONE_BATCH) or 1)
    assert model.changes == 0
    assert model.worst_lag > 2000
