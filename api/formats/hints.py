"""Where a body belongs that was sent to the wrong place, or as the wrong type. Pure."""

from collections.abc import Mapping

NDJSON = "application/x-ndjson"

_LOOKED_AT = 64 * 1024  # bytes

TO_BATCH = (
    "Many events are posted to /events/batch: as a JSON array, or an event a line (NDJSON) with "
    f"Content-Type: {NDJSON}."
)
AS_NDJSON = f"This looks like NDJSON, an event a line: send it with Content-Type: {NDJSON}."
TO_EVENTS = "A single event is posted to /events."

# By the media type that a path does not take.
OF_EVENTS: Mapping[str, str] = {
    NDJSON: "NDJSON is posted to /events/batch.",
    "application/cloudevents-batch+json": "Batches of CloudEvents are posted to /events/batch.",
}
OF_BATCHES: Mapping[str, str] = {
    "application/cloudevents+json": "A single CloudEvent is posted to /events.",
}


def of_event(body: bytes) -> str | None:
    """A hint for a body that is no event, where it looks like many."""
    text = body[:_LOOKED_AT].strip()
    return TO_BATCH if text.startswith(b"[") or is_ndjson(text) else None


def of_batch(body: bytes) -> str | None:
    """A hint for a body that is no array, where it looks like NDJSON, or like an event."""
    text = body[:_LOOKED_AT].strip()
    if is_ndjson(text):
        return AS_NDJSON
    return TO_EVENTS if text.startswith(b"{") else None


def is_ndjson(body: bytes) -> bool:
    """Whether the first line looks like a whole object, and the next like the start of one."""
    first, _, rest = body[:_LOOKED_AT].strip().partition(b"\n")
    return first.startswith(b"{") and first.rstrip().endswith(b"}") and rest.lstrip()[:1] == b"{"
