"""From a page to its answer: status, headers and body, for the fast path and the route."""

from api.http.answer import JSON, Answer, content_headers
from api.http.conditional import is_known
from api.query.service import Verdict
from storage.metrics.instruments import cache_requests
from storage.model.cached_page import CachedPage

IF_NONE_MATCH = b"if-none-match"
_JSON = JSON.encode()
_COUNTERS = {"HIT": cache_requests["hit"], "MISS": cache_requests["miss"]}
_COUNTERS["BYPASS"] = cache_requests["bypass"]


def page_answer(
    page: CachedPage, verdict: Verdict, if_none_match: bytes, *more: tuple[bytes, bytes]
) -> Answer:
    """Return 304 for a client that has this page already, else 200 with the page.

    `if_none_match`: the header's values, joined by commas; empty without the header. `more`:
    other headers.
    """
    _COUNTERS[verdict].add()
    headers = [
        (b"etag", page.etag),
        (b"x-cache", verdict.encode()),
        (b"cache-control", b"no-cache"),
        *more,
    ]
    if if_none_match and is_known(page.etag, if_none_match):
        return Answer(304, headers, b"")
    return Answer(200, headers + content_headers(_JSON, page.body), page.body)
