"""Count HTTP requests and how long they took, in one call. It runs for each request.

Only the thread of the event loop counts here: no other thread writes these cells, so it takes no
lock, which would be a quarter of the cost.
"""

from bisect import bisect_left
from time import perf_counter_ns

from storage.metrics.catalogue import HTTP_REQUEST_DURATION, HTTP_REQUESTS
from storage.metrics.instruments import bounds
from storage.metrics.labels import CODES
from storage.metrics.layout import combinations, offset, width
from storage.metrics.process import own

Row = tuple[int, int]

_CODES = {int(code): number for number, code in enumerate(CODES) if code != "other"}
_OTHER_CODE = CODES.index("other")
_BOUNDS = bounds(HTTP_REQUEST_DURATION)
_FIRST = offset(HTTP_REQUESTS)
_END = _FIRST + len(combinations(HTTP_REQUESTS))
_SUM = width(HTTP_REQUEST_DURATION) - 1

# By method and route: the first cell of the counters by code, and that of the histogram.
_ROWS: dict[tuple[str, ...], Row] = {
    labels: (
        offset(HTTP_REQUESTS) + number * len(CODES),
        offset(HTTP_REQUEST_DURATION) + number * width(HTTP_REQUEST_DURATION),
    )
    for number, labels in enumerate(combinations(HTTP_REQUEST_DURATION))
}


def row_of(method: str, route: str) -> Row:
    """Return the cells of a method and one of the catalogue's routes."""
    return _ROWS.get((method, route)) or _ROWS["other", route]


def answers() -> int:
    """Return how many answers this process has counted."""
    return sum(own.cells[_FIRST:_END])


def count_answer(row: Row, status: int, start_ns: int) -> None:
    """Count an answer to a request whose last byte came at `start_ns` (`perf_counter_ns`).

    For the thread of the event loop alone. `start_ns` is 0 for an answer that came before the last
    byte: it took no time.
    """
    codes, buckets = row
    nanoseconds = perf_counter_ns() - start_ns if start_ns else 0
    code = codes + _CODES.get(status, _OTHER_CODE)
    bucket = buckets + bisect_left(_BOUNDS, nanoseconds)
    cells = own.cells
    cells[code] += 1
    cells[bucket] += 1
    cells[buckets + _SUM] += nanoseconds
