"""Answering only what the client does not have yet. Pure."""

from collections.abc import Iterable


def is_known(etag: str, if_none_match: Iterable[str]) -> bool:
    """Whether the header, on however many lines, lists this tag (RFC 9110, 13.1.2: weakly)."""
    tags = (tag.strip().removeprefix("W/") for line in if_none_match for tag in line.split(","))
    return any(tag in (etag, "*") for tag in tags)
