"""Hints for a body that was sent to the wrong path, or with the wrong media type. Pure."""

NDJSON = "application/x-ndjson"

_INSPECTED_BYTES = 64 * 1024

TO_BATCH = (
    "Post many events to /events/batch: as a JSON array, or as NDJSON (one event on each line) "
    f"with Content-Type: {NDJSON}."
)
AS_NDJSON = f"This looks like NDJSON (one event on each line): send it with Content-Type: {NDJSON}."
TO_EVENTS = "A single event is posted to /events."


def for_event(body: bytes) -> str | None:
    """Return a hint for a body that is not an event, if it looks like many events."""
    text = body[:_INSPECTED_BYTES].strip()
    return TO_BATCH if text.startswith(b"[") or is_ndjson(text) else None


def for_batch(body: bytes) -> str | None:
    """Return a hint for a body that is not an array, if it looks like NDJSON or like one event."""
    text = body[:_INSPECTED_BYTES].strip()
    if is_ndjson(text):
        return AS_NDJSON
    return TO_EVENTS if text.startswith(b"{") else None


def is_ndjson(body: bytes) -> bool:
    """Return whether the first line looks like an object, and the next like the start of one."""
    first, _, rest = body[:_INSPECTED_BYTES].strip().partition(b"\n")
    return first.startswith(b"{") and first.rstrip().endswith(b"}") and rest.lstrip()[:1] == b"{"
