"""What the code counts with: a counter or a histogram for each counted metric.

Each adds to cells of this process's slot, in a lock of this process: any thread may use it.
"""

from bisect import bisect_left
from time import perf_counter_ns

from storage.metrics import catalogue
from storage.metrics.catalogue import Metric
from storage.metrics.layout import combinations, offset, scale, width
from storage.metrics.process import own


class Counter:
    """One counter: a metric with one combination of its labels' values."""

    def __init__(self, cell: int) -> None:
        self._cell = cell

    def add(self, amount: int = 1) -> None:
        """Count so many more."""
        with own.lock:
            own.cells[self._cell] += amount


class Histogram:
    """One histogram of whole numbers: events, or nanoseconds."""

    def __init__(self, metric: Metric, cell: int) -> None:
        self._cell = cell
        self._sum = cell + width(metric) - 1
        self._bounds = bounds(metric)

    def observe(self, value: int) -> None:
        """Count the value in its bucket, and add it to the sum."""
        bucket = self._cell + bisect_left(self._bounds, value)
        with own.lock:
            own.cells[bucket] += 1
            own.cells[self._sum] += value

    def observe_since(self, start_ns: int) -> None:
        """Observe the time from `start_ns`, which `perf_counter_ns` told, until now."""
        self.observe(perf_counter_ns() - start_ns)


def bounds(metric: Metric) -> list[int]:
    """Return the upper bounds of a histogram's buckets in whole numbers, as they are observed."""
    return [round(bound * scale(metric)) for bound in metric.buckets]


def _counters(metric: Metric) -> dict[str, Counter]:
    return {
        labels[0]: Counter(offset(metric) + number)
        for number, labels in enumerate(combinations(metric))
    }


def _histograms(metric: Metric) -> dict[str, Histogram]:
    return {
        labels[0]: Histogram(metric, offset(metric) + number * width(metric))
        for number, labels in enumerate(combinations(metric))
    }


def _histogram(metric: Metric) -> Histogram:
    return Histogram(metric, offset(metric))


rejected_events = _counters(catalogue.REJECTED_EVENTS)
rate_limited_events = Counter(offset(catalogue.RATE_LIMITED_EVENTS))
cache_requests = _counters(catalogue.CACHE_REQUESTS)
group_commit_events = _histogram(catalogue.GROUP_COMMIT_EVENTS)
queue_append = _histogram(catalogue.QUEUE_APPEND)
query = _histogram(catalogue.QUERY)
statistics = _histogram(catalogue.STATISTICS)
drain_batch_events = _histogram(catalogue.DRAIN_BATCH_EVENTS)
drain_steps = _histograms(catalogue.DRAIN)
