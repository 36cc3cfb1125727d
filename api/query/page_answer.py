"""From a page to its answer: status, headers and body, for the fast path and the route."""

from api.http.answer import Answer
from api.http.conditional import conditional_answer
from api.query.service import Verdict
from storage.metrics.instruments import cache_requests
from storage.model.cached_page import CachedPage

IF_NONE_MATCH = b"if-none-match"
_COUNTERS = {"HIT": cache_requests["hit"], "MISS": cache_requests["miss"]}
_COUNTERS["BYPASS"] = cache_requests["bypass"]


def page_answer(
    page: CachedPage, verdict: Verdict, if_none_match: bytes, *more: tuple[bytes, bytes]
) -> Answer:
    """Return 304 for a client that has this page already, else 200 with the page.

    The arguments are those of `conditional_answer`.
    """
    _COUNTERS[verdict].add()
    return conditional_answer(page, if_none_match, (b"x-cache", verdict.encode()), *more)
