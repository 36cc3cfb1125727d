"""The answer with events and their receipts. Pure."""

from collections.abc import Mapping, Sequence
from uuid import UUID

import msgspec

from storage.model.cached_page import CachedPage
from storage.model.event import Event
from storage.model.receipt import Receipt

Found = Mapping[UUID, tuple[Event, Receipt]]


class EventReceipt(Event, frozen=True, kw_only=True):
    """An event and how far it got."""

    receipt: Receipt

    @classmethod
    def of(cls, event: Event, receipt: Receipt) -> "EventReceipt":
        """Join an event with its receipt."""
        return cls(**msgspec.structs.asdict(event), receipt=receipt)


class Receipts(msgspec.Struct):
    """The requested events in the order of their ids; `missing`: ids of events never accepted."""

    events: list[EventReceipt]
    next_cursor: None
    missing: list[str]


def render(event_ids: Sequence[UUID], found: Found) -> CachedPage:
    """Return the answer for these ids."""
    events = [EventReceipt.of(*found[one]) for one in event_ids if one in found]
    missing = [str(one) for one in event_ids if one not in found]
    return CachedPage.of(msgspec.json.encode(Receipts(events, None, missing)) + b"\n")
