"""Split a span: where the counts by hour are exact, and where only the table is. Pure."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

Span = tuple[datetime, datetime]


class Part(NamedTuple):
    """A part of a span."""

    start: datetime
    end: datetime
    is_exact: bool


def parts(start: datetime, end: datetime, exact: Iterable[Span]) -> list[Part]:
    """Return the parts of the span, newest first; `exact` are spans in order, none overlaps."""
    found: list[Part] = []
    at = start
    for first, last in exact:
        first, last = max(first, at), min(last, end)
        if first < last:
            found.append(Part(at, first, False))
            found.append(Part(first, last, True))
            at = last
    found.append(Part(at, end, False))
    return [part for part in reversed(found) if part.start < part.end]
