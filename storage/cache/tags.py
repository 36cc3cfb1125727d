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
from storage.model.name_limits import NameLimits

TAGS = 1024  # for each filter: bounds the number of counters whatever values come in
ALL = "all"
CLOSED = "closed"  # the generation of all closed pages and days

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


def every() -> set[str]:
    """Return every tag that a page may have, closed pages and days included."""
    return {ALL, CLOSED} | {f"{name}:{n}" for _, name, _, _ in _TAGGED for n in range(TAGS)}


def of_page(filters: Filters) -> list[str]:
    """Return the tags that prove a page unchanged: those of its most selective filter."""
    for _, name, field_of, _ in _TAGGED:
        if values := field_of(filters):
            return sorted(_tags(name, values))
    return [ALL]


def of_page_within(filters: Filters, limits: NameLimits) -> list[str]:
    """Return the tags that prove a page of a client with limits, whose filters they narrowed.

    Only events that the client may see have these tags; or every event has, with `all`. By another
    tag the client could find out when an event that it may not see was stored: its page of an
    email, say, would not come from the cache any more.
    """
    limited = [
        name
        for name, patterns in zip(("component", "environment"), limits, strict=True)
        if patterns
    ]
    if len(limited) == 1 and not getattr(filters, f"within_{limited[0]}"):
        return sorted(_tags(limited[0], getattr(filters, limited[0])))
    return [ALL]


def _tags(kind: str, values: Iterable[str]) -> set[str]:
    return {f"{kind}:{n}" for n in {crc32(value.encode()) % TAGS for value in values}}
