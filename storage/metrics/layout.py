"""Where each counted metric has its cells in a slot. Pure.

A counter has a cell for each combination of its labels' values. A histogram has for each of them a
cell per bucket (not cumulated), one for what is above all buckets, and one for the sum. Seconds are
summed in nanoseconds, so that every cell is a whole number.
"""

import zlib
from itertools import accumulate, product
from math import prod

from storage.metrics.catalogue import COUNTED
from storage.metrics.metric import Metric

_VERSION = 1  # of what is not derived from the catalogue: cells of a slot, header
NANOSECONDS = 1_000_000_000


def combinations(metric: Metric) -> list[tuple[str, ...]]:
    """Return the values of the labels, in the order of their cells."""
    return list(product(*(values for _, values in metric.labels)))


def width(metric: Metric) -> int:
    """Return the cells of one combination of labels."""
    return len(metric.buckets) + 2 if metric.kind == "histogram" else 1


def scale(metric: Metric) -> int:
    """Return how many whole numbers make one of the metric's unit."""
    return NANOSECONDS if metric.unit == "seconds" else 1


def offset(metric: Metric) -> int:
    """Return the first cell of the metric."""
    return _OFFSETS[metric.name]


def _cells(metric: Metric) -> int:
    return width(metric) * prod(len(values) for _, values in metric.labels)


def _hash() -> int:
    shape = [(metric.name, metric.kind, metric.labels, metric.buckets) for metric in COUNTED]
    return zlib.crc32(repr((_VERSION, shape)).encode())


_ENDS = list(accumulate(_cells(metric) for metric in COUNTED))
_OFFSETS = dict(zip((metric.name for metric in COUNTED), [0, *_ENDS], strict=False))

CELLS = _ENDS[-1]
LAYOUT_HASH = _hash()
