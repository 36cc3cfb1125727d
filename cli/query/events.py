"""Events as the service answers them, kept as they are: no digit of `data` changes."""

import msgspec

JSON = "application/json"
NEWLINE = b"\n"


class Event(msgspec.Struct):
    """The fields of an event. `receipt` is in the answer about one event only."""

    id: str
    created_at: str
    component: str
    environment: str
    message: str
    email: str | None = None
    data: msgspec.Raw = msgspec.Raw(b"null")
    occurred_at: str | None = None
    receipt: str | None = None


class EventPage(msgspec.Struct):
    """A page: each event as the JSON that came."""

    events: list[msgspec.Raw]
    next_cursor: str | None


class _Identified(msgspec.Struct):
    id: str


_read_id = msgspec.json.Decoder(_Identified).decode
read_event = msgspec.json.Decoder(Event).decode
read_page = msgspec.json.Decoder(EventPage).decode


def event_id(raw: msgspec.Raw) -> str:
    """Return the id of an event."""
    return _read_id(raw).id


def json_line(raw: msgspec.Raw) -> bytes:
    """Return an event as one line; line ends can only stand between its tokens."""
    return bytes(raw).replace(b"\r", b" ").replace(NEWLINE, b" ") + NEWLINE
