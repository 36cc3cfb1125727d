"""Conditional requests (RFC 9110, 13). Pure."""


def is_known(etag: bytes, if_none_match: bytes) -> bool:
    """Return whether If-None-Match lists this tag, compared weakly (RFC 9110, 13.1.2)."""
    tags = [tag.strip().removeprefix(b"W/") for tag in if_none_match.split(b",")]
    return etag in tags or b"*" in tags
