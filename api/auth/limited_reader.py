"""Read events, and refuse those that the client may not post."""

from collections.abc import Callable

from api.auth import refusals
from api.formats.event_reader import EventReader
from api.formats.native_fast import EventIn
from api.http.problems import Problem
from storage.model.name_limits import NameLimits


def limited(reader: EventReader, limits: NameLimits | None) -> EventReader:
    """Return a reader for which an event outside of the limits is an invalid one, with 403."""
    if limits is None:
        return reader

    def parse(body: bytes) -> EventIn | None:
        event = reader.parse(body)
        return event if event and refusal(event, limits) is None else None

    def validate(body: bytes) -> EventIn:
        event = reader.validate(body)
        if problem := refusal(event, limits):
            raise problem
        return event

    def parse_many(bodies: list[bytes]) -> list[EventIn] | None:
        events = reader.parse_many(bodies)
        return events if events and not any(refusal(one, limits) for one in events) else None

    return EventReader(parse, validate, parse_many, reader.identity)


def refusal_by(limits: NameLimits | None) -> Callable[[EventIn], Problem | None]:
    """Return a function that returns the 403 for an event outside of the limits, else None."""
    return lambda event: None if limits is None else refusal(event, limits)


def refusal(event: EventIn, limits: NameLimits) -> Problem | None:
    """Return the 403 that names the field and what is allowed, None if the event is within."""
    field = limits.refused(event.component, event.environment)
    if field is None:
        return None
    return refusals.outside(field, getattr(limits, f"{field}s"))
