"""The token of an API key: `act_<id>_<secret><checksum>`, all in base 62.

The id (8 characters) may appear in logs. The secret has 32 characters, 190 random bits, so that a
plain SHA-256 of the token is safe to keep. The checksum is the CRC-32 of all before it, so that a
mistyped token is told from an unknown one without a server.
"""

import re
import secrets
from hashlib import sha256
from string import ascii_lowercase, ascii_uppercase, digits
from zlib import crc32

PREFIX = "act"
ID_LENGTH = 8
SECRET_LENGTH = 32
CHECKSUM_LENGTH = 6
PATTERN = rf"{PREFIX}_[0-9A-Za-z]{{{ID_LENGTH}}}_[0-9A-Za-z]{{{SECRET_LENGTH + CHECKSUM_LENGTH}}}"

_ALPHABET = digits + ascii_uppercase + ascii_lowercase
_is_id = re.compile(rf"[0-9A-Za-z]{{{ID_LENGTH}}}").fullmatch
_has_form = re.compile(PATTERN).fullmatch


class InvalidToken(ValueError):
    """A text that is no token. The message does not contain the text."""


def new_token() -> str:
    """Return a new random token."""
    body = f"{PREFIX}_{random_text(ID_LENGTH)}_{random_text(SECRET_LENGTH)}"
    return body + _checksum(body)


def id_of(token: str) -> str:
    """Return the id in a token. Raises `InvalidToken`, which tells a typing error from the rest."""
    if not _has_form(token):
        raise InvalidToken(
            f"not a token: expected {PREFIX}_, {ID_LENGTH} letters or digits, _, and "
            f"{SECRET_LENGTH + CHECKSUM_LENGTH} letters or digits"
        )
    body, checksum = token[:-CHECKSUM_LENGTH], token[-CHECKSUM_LENGTH:]
    if _checksum(body) != checksum:
        raise InvalidToken("the token has a typing error or is incomplete: its checksum differs")
    return token.split("_")[1]


def is_key_id(text: str) -> bool:
    """Return whether a text has the form of a key's id."""
    return _is_id(text) is not None


def digest(token: str) -> bytes:
    """Return what is kept of a token: the SHA-256 of the whole, 32 bytes."""
    return sha256(token.encode()).digest()


def random_text(length: int) -> str:
    """Return random letters and digits, for secrets."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def _checksum(body: str) -> str:
    number, found = crc32(body.encode()), ""
    for _ in range(CHECKSUM_LENGTH):
        number, digit = divmod(number, len(_ALPHABET))
        found = _ALPHABET[digit] + found
    return found
