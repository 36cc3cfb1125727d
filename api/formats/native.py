"""The native format: an event as the JSON object of `EventBody`. Pure."""

from functools import partial

from api.formats.event_reader import EventReader, Schema
from api.formats.native_fast import parse, parse_many
from api.formats.native_validate import validate
from api.formats.schemas import EventBody

EVENT: Schema = EventBody.model_json_schema()
_EVENTS: Schema = {"type": "array", "items": EVENT, "minItems": 1}
_ENVELOPE: Schema = {
    "type": "object",
    "properties": {"events": _EVENTS},
    "required": ["events"],
    "additionalProperties": False,
}
BATCH: Schema = {"anyOf": [_EVENTS, _ENVELOPE]}
LINES: Schema = {"type": "string", "description": "One event on each line."}


def native_reader(max_bytes: int) -> EventReader:
    """Return the reader of events of at most `max_bytes`."""
    return EventReader(parse, partial(validate, max_bytes=max_bytes), parse_many)
