"""Measure rows a second by one drain with and without the numbers of the feed and their index."""

from typing import Any

from benchmarks.bench import Bench
from benchmarks.figures import Part
from benchmarks.switched import compare
from storage.postgres.tables import events

_SIZES = {5_000: "feed_5000", 1_000: "feed_1000"}
_DEFAULT: Any = events.c.feed.server_default
# The index has no rows with number 0.
_KINDS = {
    "fed": f"ALTER TABLE events ALTER feed SET DEFAULT {_DEFAULT.arg.text}",
    "unfed": "ALTER TABLE events ALTER feed SET DEFAULT 0",
}


def measure(bench: Bench) -> Part:
    """Measure both sizes of batches."""
    return compare(bench, "feeding", _KINDS, _SIZES)
