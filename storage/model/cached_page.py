"""A page of history as JSON with its entity tag. Pure."""

from dataclasses import dataclass
from hashlib import blake2b


@dataclass(frozen=True, slots=True)
class CachedPage:
    """A page's JSON and entity tag (RFC 9110, 8.8.3)."""

    body: bytes
    etag: bytes

    @classmethod
    def of(cls, body: bytes) -> "CachedPage":
        """Compute the tag from the body."""
        return cls(body, b'"%s"' % blake2b(body, digest_size=12).hexdigest().encode())
