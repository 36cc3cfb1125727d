"""Cursors: the id of the last event on a page, as opaque text."""

from contextlib import suppress
from uuid import RFC_4122, UUID

from api.query import base64url

_LENGTH = 22
_UNKNOWN = "is not a cursor: send the next_cursor of a page unchanged"


def encode(event_id: UUID) -> str:
    """Return the id's 16 bytes as base64url (RFC 4648, 5) without padding: 22 characters."""
    return base64url.encode(event_id.bytes).decode()


def decode(text: str) -> UUID:
    """Return the id that `encode` was given. Raises ValueError for any other text."""
    if len(text) == _LENGTH:
        with suppress(ValueError):
            event_id = UUID(bytes=base64url.decode(text))
            if event_id.variant == RFC_4122 and event_id.version == 7:
                return event_id
    raise ValueError(_UNKNOWN)
