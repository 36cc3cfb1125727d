"""Short hashes of the values that an answer names, which PostgreSQL makes too. Pure."""

from hashlib import sha256

MAX_NAMED = 50
"""Values that an answer and those that continue it name, all others count as `other`."""

MARK_BYTES = 8

Mark = bytes
"""A short hash of a value that is named."""


def mark_of(value: str) -> Mark:
    """Return the mark of a value."""
    return sha256(value.encode()).digest()[:MARK_BYTES]
