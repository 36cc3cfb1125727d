"""The token of a session: `acts_<key id>_<end>_<secret>`, where a browser keeps it in a cookie.

The end is in seconds since 1970. The secret has 32 letters or digits, 190 random bits. What is kept
of a session is its `proof`, an HMAC of the token with the digest of the API key. So whoever can
read what is kept can't make a token of it; and whoever can write it can't make a session either,
unless they know the digest, which is kept on other servers.
"""

import hmac
import re
from typing import NamedTuple

from storage.access.token import ID_LENGTH, SECRET_LENGTH, random_text

PREFIX = "acts"
_END_DIGITS = 11
_match = re.compile(
    rf"{PREFIX}_([0-9A-Za-z]{{{ID_LENGTH}}})_([0-9]{{1,{_END_DIGITS}}})"
    rf"_[0-9A-Za-z]{{{SECRET_LENGTH}}}"
).fullmatch


class SessionToken(NamedTuple):
    """A token, of which key it is, and when it ends, in seconds since 1970."""

    text: str
    key_id: str
    ends_at: int

    def proof(self, key_digest: bytes) -> str:
        """Return what is kept of the session: nobody finds the token from it."""
        return hmac.digest(key_digest, self.text.encode(), "sha256").hex()


def new_session_token(key_id: str, ends_at: int) -> SessionToken:
    """Return a new random token."""
    text = f"{PREFIX}_{key_id}_{ends_at}_{random_text(SECRET_LENGTH)}"
    return SessionToken(text, key_id, ends_at)


def parse_session_token(text: str) -> SessionToken | None:
    """Return the token, None for a text that is none."""
    match = _match(text)
    return SessionToken(text, match[1], int(match[2])) if match else None
