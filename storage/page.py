"""A page of history as it is answered. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CachedPage:
    """Its JSON and its entity tag."""

    body: bytes
    etag: bytes
