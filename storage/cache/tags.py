"""Which cached pages an event may change: the tags the cache's generations are kept in. Pure.

An event has one tag for each of its fields that a filter declares with a rank (component,
environment, email), and the tag `all`. A page that filters by one of them can only be changed by
events with a tag of its values. Every other page is proved by `all`.
"""

from collections.abc import Iterable, Sequence
from operator import attrgetter
from zlib import crc32

from storage.model.event import Event
from storage.model.filters import DECLARATIONS, Filters

TAGS = 1024  # for each filter: bounds the number of counters whatever values come in
ALL = "all"

_TAGGED = sorted(
    (declared.tag_rank, name, attrgetter(name), declared.normalize_text)
    for name, declared in DECLARATIONS.items()
    if declared.tag_rank is not None
)


def of_events(events: Sequence[Event]) -> set[str]:
    """Return the tags of a batch."""
    tags = {ALL}
    for _, name, field_of, normalize in _TAGGED:
        values = set(map(field_of, events)) - {None}
        tags |= _tags(name, map(normalize, values))
    return tags


def of_page(filters: Filters) -> list[str]:
    """Return the tags that prove a page unchanged: those of its most selective filter."""
    for _, name, field_of, _ in _TAGGED:
        if values := field_of(filters):
            return sorted(_tags(name, values))
    return [ALL]


def _tags(kind: str, values: Iterable[str]) -> set[str]:
    return {f"{kind}:{n}" for n in {crc32(value.encode()) % TAGS for value in values}}
