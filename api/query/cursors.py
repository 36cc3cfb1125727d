"""Cursors: the id of the last event on a page, as opaque text."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from uuid import RFC_4122, UUID

_CURSOR = re.compile(r"[A-Za-z0-9_-]{22}")
_UNKNOWN = "is not a cursor: send the next_cursor of a page unchanged"


def encode(event_id: UUID) -> str:
    """Return the id's 16 bytes as base64url (RFC 4648, 5) without padding: 22 characters."""
    return urlsafe_b64encode(event_id.bytes).rstrip(b"=").decode()


def decode(text: str) -> UUID:
    """Return the id that `encode` was given. Raises ValueError for any other text."""
    if _CURSOR.fullmatch(text) is None:
        raise ValueError(_UNKNOWN)
    event_id = UUID(bytes=urlsafe_b64decode(text + "=="))
    # 22 characters hold 132 bits, four more than an id: accept only one cursor for each id.
    if encode(event_id) != text or event_id.variant != RFC_4122 or event_id.version != 7:
        raise ValueError(_UNKNOWN)
    return event_id
