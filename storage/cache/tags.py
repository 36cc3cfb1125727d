"""Which cached pages an event may change: the tags the cache's generations are kept in. Pure.

An event has one tag for each of component, environment and email, and in `all`. A page
that filters by one of them can only be changed by events of its values' tags.
"""

from collections.abc import Iterable, Sequence
from zlib import crc32

from storage.model.event import Event
from storage.model.filters import Filters, lower_ascii

TAGS = 1024  # for each filter: bounds the number of counters whatever values come in
ALL = "all"


def _tags(kind: str, values: Iterable[str]) -> set[str]:
    return {f"{kind}:{n}" for n in {crc32(value.encode()) % TAGS for value in values}}


def of_events(events: Sequence[Event]) -> set[str]:
    """The tags of a batch."""
    emails = {lower_ascii(event.email) for event in events if event.email is not None}
    return {
        ALL,
        *_tags("component", {event.component for event in events}),
        *_tags("environment", {event.environment for event in events}),
        *_tags("email", emails),
    }


def of_page(filters: Filters) -> list[str]:
    """The tags that prove a page unchanged: those of its most selective filter."""
    for kind, values in (
        ("email", filters.email),
        ("component", filters.component),
        ("environment", filters.environment),
    ):
        if values:
            return sorted(_tags(kind, values))
    return [ALL]
