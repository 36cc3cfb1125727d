"""The fast path for reading: answer `GET /events` from a page in this process's memory.

Control tells for each request whether the page may be served. Every other request, and each page
that may not be served, goes to the FastAPI route of the same path.
"""

import asyncio
import logging
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

from starlette.types import Scope

from api.http.answer import AnswerResponse
from api.http.hosts import Hosts
from api.http.paths import EVENTS, spellings
from api.http.proxies import FORWARDED
from api.query.id_params import parse_ids
from api.query.page_answer import IF_NONE_MATCH, page_answer
from api.query.params import InvalidQuery, parse_filters
from api.query.service import History
from api.server.framing import VERSIONS
from api.server.single_write import SingleWriteCycle
from storage.cache import tags
from storage.errors import StorageError
from storage.model.cached_page import CachedPage
from storage.model.filters import digest

log = logging.getLogger(__name__)

MAX_QUERY_BYTES = 1024  # of a query string whose parsed form is kept
QUERIES = 2048  # whose parsed form is kept

Start = Callable[[Any, Any], None]


class _Query(NamedTuple):
    """The digest that names a page in the cache, and the tags that say which events change it."""

    digest: str
    tags: list[str]


class PageFastPath:
    """The choice of the requests that the fast path takes, and their answers."""

    def __init__(self, history: History, hosts: Hosts, prefix: str = "") -> None:
        """Set the allowed hosts, and the path prefix below which a proxy publishes the service."""
        self._history = history
        self._hosts = hosts
        self._paths = spellings(EVENTS, prefix)

    def takes(self, cycle: SingleWriteCycle, app: Any, start: Start) -> bool:
        """Answer the request from a page in memory; return False for a request not taken.

        `start(cycle, app)` runs an ASGI application for the request if the page may not be served.
        The answer is never sent before this method returns.
        """
        scope: Any = cycle.scope
        if scope["path"] not in self._paths or not self._is_usual(scope):
            return False
        query = _query(scope["query_string"])
        local = query and self._history.local(query.digest, query.tags)
        if not local:
            return False

        def on_validated(current: asyncio.Future[bytes | None]) -> None:
            if not _is_current(local.page, current):
                start(cycle, app)
                return
            if_none_match = dict(scope["headers"]).get(IF_NONE_MATCH, b"")
            found = page_answer(local.page, "HIT", if_none_match)
            if not cycle.send_whole(found):
                start(cycle, AnswerResponse(found))

        local.current.add_done_callback(on_validated)
        return True

    def _is_usual(self, scope: Scope) -> bool:
        found = dict(scope["headers"])
        return (
            scope["method"] == "GET"
            and found.get(b"host") in self._hosts.known
            and FORWARDED not in found
            and len(found) == len(scope["headers"])  # none is repeated
            and scope["http_version"] in VERSIONS
        )


def _query(query_string: bytes) -> _Query | None:
    return _parsed(query_string) if len(query_string) <= MAX_QUERY_BYTES else None


@lru_cache(QUERIES)
def _parsed(query_string: bytes) -> _Query | None:
    """Return the query, which depends on this string only; None if it asks for no page."""
    try:
        if parse_ids(query_string):
            return None
        filters = parse_filters(query_string)
    except InvalidQuery:
        return None
    return _Query(digest(filters), tags.of_page(filters))


def _is_current(page: CachedPage, current: asyncio.Future[bytes | None]) -> bool:
    """Return whether control says that this page may be served."""
    if current.cancelled():
        return False
    error = current.exception()
    if error is None:
        return current.result() == page.etag
    if not isinstance(error, StorageError):
        log.error("GET /events", exc_info=error)
    return False
