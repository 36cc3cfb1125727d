"""The fast path for reading: answer `GET /events` from a page in this process's memory.

Control tells for each request whether the page may be served. Every other request, and each page
that may not be served, goes to the FastAPI route of the same path.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from time import time
from typing import Any

from starlette.types import Scope

from api.auth.bearer import AUTHORIZATION
from api.auth.key_ring import Memo
from api.auth.principal import Principal
from api.http.accept import ACCEPT
from api.http.answer import AnswerResponse
from api.http.hosts import Hosts
from api.http.paths import EVENTS, spellings
from api.http.proxies import FORWARDED
from api.http.request_metrics import GET_PAGE_ROW
from api.query.lag import Lag
from api.query.page_answer import IF_NONE_MATCH, page_answer
from api.query.pairs import InvalidQuery
from api.query.question import REMEMBERED_BYTES, PageQuestion, parse_remembered
from api.query.service import History
from api.server.framing import VERSIONS
from api.server.single_write import SingleWriteCycle
from storage.errors import StorageError
from storage.model.cached_page import CachedPage
from storage.model.name_limits import NameLimits

log = logging.getLogger(__name__)

CSV = b"text/csv"

Start = Callable[[Any, Any], None]


class PageFastPath:
    """The choice of the requests that the fast path takes, and their answers."""

    def __init__(
        self, history: History, lag: Lag, hosts: Hosts, memo: Memo, prefix: str = ""
    ) -> None:
        """Set the allowed hosts, the memo of `KeyRing`, and the path prefix that a proxy adds."""
        self._history = history
        self._lag = lag
        self._memo = memo
        self._hosts = hosts
        self._paths = spellings(EVENTS, prefix)

    def takes(self, cycle: SingleWriteCycle, app: Any, start: Start) -> bool:
        """Answer the request from a page in memory; return False for a request not taken.

        `start(cycle, app)` runs an ASGI application for the request if the page may not be served.
        The answer is never sent before this method returns.
        """
        scope: Any = cycle.scope
        if scope["path"] not in self._paths:
            return False
        headers = dict(scope["headers"])
        principal = self._usual_reader(scope, headers)
        if principal is None:
            return False
        question = _page_question(scope["query_string"], principal.limits)
        local = question and self._history.local(question.digest, question.tags)
        if not local:
            return False

        cycle.row = GET_PAGE_ROW

        def on_validated(current: asyncio.Future[bytes | None]) -> None:
            if not _is_current(local.page, current):
                start(cycle, app)
                return
            if_none_match = headers.get(IF_NONE_MATCH, b"")
            found = page_answer(local.page, "HIT", if_none_match, self._lag.header())
            if not cycle.send_whole(found):
                start(cycle, AnswerResponse(found))

        local.current.add_done_callback(on_validated)
        return True

    def _usual_reader(self, scope: Scope, found: Mapping[bytes, bytes]) -> Principal | None:
        """Return who asks with the headers that are `found`, None if the request is not taken."""
        principal = self._memo.get(found.get(AUTHORIZATION))
        now = time()
        if principal is None or not principal.may_read or now >= principal.ends_at:
            return None
        principal.used_at = now
        is_usual = (
            scope["method"] == "GET"
            and found.get(b"host") in self._hosts.known
            and FORWARDED not in found
            and len(found) == len(scope["headers"])  # none is repeated
            and CSV not in found.get(ACCEPT, b"").lower()
            and scope["http_version"] in VERSIONS
        )
        return principal if is_usual else None


def _page_question(query_string: bytes, limits: NameLimits | None) -> PageQuestion | None:
    """Return what is asked, if it is a page that needs no wait, in a usual query string."""
    if len(query_string) > REMEMBERED_BYTES:
        return None
    try:
        question = parse_remembered(query_string, limits)
    except InvalidQuery:  # the route says why
        return None
    asked = question.asked
    return asked if isinstance(asked, PageQuestion) and not question.fresh else None


def _is_current(page: CachedPage, current: asyncio.Future[bytes | None]) -> bool:
    """Return whether control says that this page may be served."""
    if current.cancelled():
        return False
    error = current.exception()
    if error is None:
        return current.result() == page.etag
    if not isinstance(error, StorageError):
        log.error("GET /events: the page can't be validated", exc_info=error)
    return False
