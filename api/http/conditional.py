"""Conditional requests (RFC 9110, 13). Pure."""

from api.http.answer import JSON, Answer, content_headers
from storage.model.cached_page import CachedPage

_JSON = JSON.encode()


def is_known(etag: bytes, if_none_match: bytes) -> bool:
    """Return whether If-None-Match lists this tag, compared weakly (RFC 9110, 13.1.2)."""
    tags = [tag.strip().removeprefix(b"W/") for tag in if_none_match.split(b",")]
    return etag in tags or b"*" in tags


def conditional_answer(
    page: CachedPage, if_none_match: bytes, *more: tuple[bytes, bytes]
) -> Answer:
    """Return 304 for a client that has this JSON already, else 200 with it.

    `if_none_match`: the header's values, joined by commas; empty without the header. `more`:
    other headers.
    """
    headers = [(b"etag", page.etag), (b"cache-control", b"no-cache"), *more]
    if if_none_match and is_known(page.etag, if_none_match):
        return Answer(304, headers, b"")
    return Answer(200, headers + content_headers(_JSON, page.body), page.body)
