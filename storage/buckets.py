"""Which cached pages an event may change: the buckets the cache's generations are kept in. Pure.

An event lands in one bucket for each of component, environment and email, and in `all`. A page
that filters by one of them can only be changed by events of its values' buckets.
"""

from collections.abc import Iterable
from zlib import crc32

from storage.event import Event
from storage.filters import Filters, lower_ascii

BUCKETS = 1024  # for each filter: bounds the number of counters whatever values come in
ALL = "all"


def _bucket(kind: str, value: str) -> str:
    return f"{kind}:{crc32(value.encode()) % BUCKETS}"


def of_events(events: Iterable[Event]) -> set[str]:
    """The buckets of a batch."""
    found = {ALL}
    for event in events:
        found.add(_bucket("component", event.component))
        found.add(_bucket("environment", event.environment))
        if event.email is not None:
            found.add(_bucket("email", lower_ascii(event.email)))
    return found


def of_page(filters: Filters) -> list[str]:
    """The buckets that prove a page unchanged: those of its most selective filter."""
    for kind, values in (
        ("email", filters.email),
        ("component", filters.component),
        ("environment", filters.environment),
    ):
        if values:
            return sorted({_bucket(kind, value) for value in values})
    return [ALL]
