"""The opaque text in which the API hands out the id where the next page starts."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from uuid import RFC_4122, UUID

_CURSOR = re.compile(r"[A-Za-z0-9_-]{22}")
_UNKNOWN = "is not a cursor: give the next_cursor of a page unchanged"


def encode(event_id: UUID) -> str:
    """The id's 16 bytes as base64url (RFC 4648, 5) without padding: 22 characters."""
    return urlsafe_b64encode(event_id.bytes).rstrip(b"=").decode()


def decode(text: str) -> UUID:
    """The id that `encode` was given; `ValueError` for any other text."""
    if _CURSOR.fullmatch(text) is None:
        raise ValueError(_UNKNOWN)
    event_id = UUID(bytes=urlsafe_b64decode(text + "=="))
    # 22 characters carry 132 bits; four of them are free, and one id must have one cursor.
    if encode(event_id) != text or event_id.variant != RFC_4122 or event_id.version != 7:
        raise ValueError(_UNKNOWN)
    return event_id
