"""The fast path for reading: `GET /events` whose page this process holds is answered here.

Whether it may be served is asked of the cache for each request. Whatever else is asked, and every
page that may not be served, goes on to the FastAPI route of the same path.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from starlette.types import ASGIApp, Receive, Scope, Send

from api.http.conditional import is_known
from api.query.id_params import parse_ids
from api.query.params import InvalidQuery, parse_filters
from api.query.service import History
from storage.cache import tags
from storage.model.cached_page import CachedPage
from storage.model.filters import digest

MAX_QUERY_BYTES = 1024  # of a query string worth remembering
QUESTIONS = 2048  # remembered


class _Question(NamedTuple):
    """What a page is known by, and the tags that prove it unchanged."""

    digest: str
    tags: list[str]


class CachedPageMiddleware:
    """ASGI: answers a page that is held and may be served, hands on the rest."""

    def __init__(self, app: ASGIApp, history: History) -> None:
        self._app = app
        self._history = history

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "http" and scope["method"] == "GET" and scope["path"] == "/events":
            page = await self._page(scope["query_string"])
            if page is not None:
                await _answer(page, scope, send)
                return
        await self._app(scope, receive, send)

    async def _page(self, query_string: bytes) -> CachedPage | None:
        if len(query_string) > MAX_QUERY_BYTES:
            return None
        question = _question(query_string)
        return question and await self._history.local_page(question.digest, question.tags)


@lru_cache(QUESTIONS)
def _question(query_string: bytes) -> _Question | None:
    """What is asked, which depends on nothing but this string; None for a page of no filters."""
    try:
        if parse_ids(query_string):
            return None
        filters = parse_filters(query_string)
    except InvalidQuery:
        return None
    return _Question(digest(filters), tags.of_page(filters))


async def _answer(page: CachedPage, scope: Scope, send: Send) -> None:
    headers = [(b"etag", page.etag), (b"x-cache", b"HIT"), (b"cache-control", b"no-cache")]
    status, body = 200, page.body
    if is_known(page.etag.decode(), _if_none_match(scope)):
        status, body = 304, b""
    else:
        headers += [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
        ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _if_none_match(scope: Scope) -> Iterator[str]:
    for name, value in scope["headers"]:
        if name == b"if-none-match":
            yield value.decode("latin-1")
