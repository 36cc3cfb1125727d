"""What the code counts with: a counter or a histogram for each counted metric.

Each adds to cells of this process's slot, in a lock of this process: any thread may use it.
"""

from bisect import bisect_left
from time import perf_counter_ns

from storage.metrics import catalogue
from storage.metrics.layout import combinations, offset, scale, width
from storage.metrics.metric import Metric
from storage.metrics.process import own


class Counter:
    """One counter: a metric with one combination of its labels' values."""

    def __init__(self, cell: int) -> None:
        self._cell = cell

    def add(self, amount: int = 1) -> None:
        """Count so many more."""
        with own.lock:
            own.cells[self._cell] += amount


class Gauge:
    """How many there are now in this process, with one combination of the labels' values."""

    def __init__(self, cell: int) -> None:
        self._cell = cell

    def add(self, amount: int) -> None:
        """Count so many more, or fewer."""
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

    @property
    def total(self) -> int:
        """The sum of what was observed in this process's slot."""
        return own.cells[self._sum]

    def observe_since(self, start_ns: int) -> None:
        """Observe the time from `start_ns`, which `perf_counter_ns` told, until now."""
        self.observe(perf_counter_ns() - start_ns)


def bounds(metric: Metric) -> list[int]:
    """Return the upper bounds of a histogram's buckets in whole numbers, as they are observed."""
    return [round(bound * scale(metric)) for bound in metric.buckets]


def begin_gauges() -> None:
    """Count from 0 what there is now: the process that had the slot before may have been killed."""
    with own.lock:
        for metric in catalogue.COUNTED:
            if metric.kind == "gauge":
                for number in range(len(combinations(metric))):
                    own.cells[offset(metric) + number] = 0


def _gauges(metric: Metric) -> dict[str, Gauge]:
    return {
        labels[0]: Gauge(offset(metric) + number)
        for number, labels in enumerate(combinations(metric))
    }


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
feed_readers = _gauges(catalogue.FEED_READERS)
feed_events = _counters(catalogue.FEED_EVENTS)
exports = _counters(catalogue.EXPORTS)
exported_events = Counter(offset(catalogue.EXPORTED_EVENTS))
standby_reads = _counters(catalogue.STANDBY_READS)
