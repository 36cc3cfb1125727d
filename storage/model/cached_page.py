"""A page of history as it is answered. Pure."""

from dataclasses import dataclass
from hashlib import blake2b


@dataclass(frozen=True, slots=True)
class CachedPage:
    """Its JSON and its entity tag."""

    body: bytes
    etag: bytes

    @classmethod
    def of(cls, body: bytes) -> "CachedPage":
        """A body with the tag that follows from it."""
        return cls(body, b'"%s"' % blake2b(body, digest_size=12).hexdigest().encode())
