"""Measure rows a second by one drain with and without the triggers that count events by hour."""

from benchmarks.bench import Bench
from benchmarks.figures import Part
from benchmarks.switched import compare

_SIZES = {5_000: "count_5000", 1_000: "count_1000"}
_KINDS = {
    "counted": "ALTER TABLE events ENABLE TRIGGER USER",
    "uncounted": "ALTER TABLE events DISABLE TRIGGER USER",
}


def measure(bench: Bench) -> Part:
    """Measure both sizes of batches."""
    return compare(bench, "counting", _KINDS, _SIZES)
