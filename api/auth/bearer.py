"""Read the token from the `Authorization` header (RFC 6750, 2.1). Pure."""

import re
from collections.abc import Sequence

from storage.access.token import PATTERN, InvalidToken, id_of

AUTHORIZATION = b"authorization"

# The scheme in any case (RFC 9110, 11.1), then spaces. Nothing else is a key: no other scheme, no
# second credential, no character beyond ASCII.
_match = re.compile(rb"(?i:bearer) +(%b)[ \t]*" % PATTERN.encode()).fullmatch
_MAX_BYTES = 200


def token_of(values: Sequence[bytes]) -> str | None:
    """Return the token in the request's `Authorization` headers, None if there is not just one."""
    if len(values) != 1 or len(values[0]) > _MAX_BYTES:
        return None
    match = _match(values[0])
    return match[1].decode() if match else None


def usual_spellings(token: str) -> tuple[bytes, bytes]:
    """Return the values of `Authorization` that nearly every client sends."""
    return b"Bearer " + token.encode(), b"bearer " + token.encode()


def key_id_of(token: str) -> str | None:
    """Return the id in a token, None if its checksum is wrong."""
    try:
        return id_of(token)
    except InvalidToken:
        return None
