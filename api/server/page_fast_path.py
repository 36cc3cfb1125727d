"""The fast path for reading: answer `GET /events` from a page in this process's memory.

Control tells for each request whether the page may be served. Every other request, and each page
that may not be served, goes to the FastAPI route of the same path.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from time import perf_counter_ns, time
from typing import Any, cast

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.auth.bearer import AUTHORIZATION
from api.auth.key_ring import Memo
from api.auth.principal import Principal
from api.http.accept import ACCEPT
from api.http.answer import Answer, AnswerResponse
from api.http.headers import Headers
from api.http.hosts import Hosts
from api.http.paths import EVENTS, spellings
from api.http.proxies import FORWARDED
from api.http.request_body import IS_HERE
from api.http.request_metrics import GET_PAGE_ROW
from api.query.lag import Lag
from api.query.page_answer import IF_NONE_MATCH, count_page, page_answer
from api.query.pairs import InvalidQuery
from api.query.question import REMEMBERED_BYTES, PageQuestion, parse_remembered
from api.query.service import History
from api.server.access_log import access_log
from api.server.framing import VERSIONS
from api.server.known_heads import KnownHeads, KnownRead
from api.server.page_heads import PageHeads
from api.server.single_write import SingleWriteCycle
from api.server.unread_answers import LARGE_BYTES
from storage.errors import StorageError
from storage.metrics.http_requests import count_answer
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
        self.heads: KnownHeads[KnownRead] = KnownHeads()
        self._history = history
        self._lag = lag
        self._memo = memo
        self._hosts = hosts
        self._paths = spellings(EVENTS, prefix)
        self._page_heads = PageHeads()

    def takes(self, cycle: SingleWriteCycle, app: Any, start: Start) -> KnownRead | None:
        """Answer the request from a page in memory; return None for a request not taken.

        `start(cycle, app)` runs an ASGI application for the request if the page may not be served.
        The answer is never sent before this method returns.
        """
        scope: Any = cycle.scope
        if scope["path"] not in self._paths:
            return None
        headers = dict(scope["headers"])
        principal = self._usual_reader(scope, headers)
        if principal is None:
            return None
        question = _page_question(scope["query_string"], principal.limits)
        local = question and self._history.local(question.digest, question.tags)
        if not question or not local:
            return None

        cycle.row = GET_PAGE_ROW
        known = KnownRead(
            principal,
            None if question.is_relative else question,
            headers.get(IF_NONE_MATCH, b""),
            {**scope, "headers": list(scope["headers"])},
        )

        def on_validated(current: asyncio.Future[bytes | None]) -> None:
            if not _is_current(local.page, current):
                start(cycle, app)
                return
            found = self.answer(local.page, known)
            if not cycle.send_whole(found):
                start(cycle, AnswerResponse(found))

        local.current.add_done_callback(on_validated)
        return known

    def read(self, connection: HttpToolsProtocol, known: KnownRead) -> "Read | None":
        """Start a request with a known head; return None, with nothing done, if it is not taken.

        The answer is never sent before this method returns.
        """
        principal = known.principal
        if not _may_use(principal):
            return None
        question = known.question or _page_question(known.scope["query_string"], principal.limits)
        local = question and self._history.local(question.digest, question.tags)
        if not local:
            return None
        read = Read(self, connection, known, local.page)
        local.current.add_done_callback(read.on_validated)
        return read

    def answer(self, page: CachedPage, known: KnownRead) -> Answer:
        """Return the answer with a page that may be served, and count it."""
        count_page("HIT")
        return page_answer(page, "HIT", known.if_none_match, self._lag.header())

    def head(self, page: CachedPage, common: Headers) -> bytes | None:
        """Return the head of an answer with this page: see `PageHeads`."""
        return self._page_heads.head(page, common, self._lag.header())

    def _usual_reader(self, scope: Scope, found: Mapping[bytes, bytes]) -> Principal | None:
        """Return who asks with the headers that are `found`, None if the request is not taken."""
        principal = self._memo.get(found.get(AUTHORIZATION))
        if principal is None or not principal.may_read or not _may_use(principal):
            return None
        is_usual = (
            scope["method"] == "GET"
            and found.get(b"host") in self._hosts.known
            and FORWARDED not in found
            and len(found) == len(scope["headers"])  # none is repeated
            and CSV not in found.get(ACCEPT, b"").lower()
            and scope["http_version"] in VERSIONS
        )
        return principal if is_usual else None


class Read:
    """A request with a known head, in the role of uvicorn's cycle but without a scope."""

    response_started = response_complete = disconnected = False
    keep_alive = True
    is_half_closed = False
    message_event = asyncio.Event()  # uvicorn sets it; nobody waits for it

    def __init__(
        self,
        fast_path: PageFastPath,
        connection: HttpToolsProtocol,
        known: KnownRead,
        page: CachedPage,
    ) -> None:
        self._fast_path = fast_path
        self._connection = connection
        self._known = known
        self._page = page
        self._complete_ns = perf_counter_ns()

    def on_validated(self, current: asyncio.Future[bytes | None]) -> None:
        """Answer with the page if control says that it may be served; else FastAPI answers."""
        page, known, connection = self._page, self._known, self._connection
        is_current = _is_current(page, current)
        if is_current and not known.if_none_match and self._send(page):
            return
        cycle = self._cycle()
        if not is_current:
            HttpToolsProtocol._start_asgi_task(connection, cycle, connection.app)
            return
        found = self._fast_path.answer(page, known)
        if not cycle.send_whole(found):
            HttpToolsProtocol._start_asgi_task(connection, cycle, cast(Any, AnswerResponse(found)))

    def _send(self, page: CachedPage) -> bool:
        """Send the answer with this page in one write; return False, with nothing sent, if not."""
        connection = self._connection
        if (
            not self.keep_alive
            or connection.transport.is_closing()
            or connection.flow.write_paused
            or access_log.every
            or len(page.body) > LARGE_BYTES
        ):
            return False
        head = self._fast_path.head(page, connection.server_state.default_headers)
        if head is None:
            return False
        self.response_started = self.response_complete = True
        count_page("HIT")
        count_answer(GET_PAGE_ROW, 200, self._complete_ns)
        connection.transport.writelines((head, page.body))
        connection.on_response_complete()
        return True

    def _cycle(self) -> SingleWriteCycle:
        """Return this request as the parser would have made it, and let it take this one's role."""
        connection = self._connection
        scope = self._known.scope
        cycle = SingleWriteCycle(
            scope=cast(
                Any,
                {
                    **scope,
                    **{name: getattr(connection, name) for name in ("client", "server", "scheme")},
                    "headers": list(scope["headers"]),
                    "state": connection.app_state.copy(),
                    IS_HERE: True,
                },
            ),
            transport=connection.transport,
            flow=connection.flow,
            logger=connection.logger,
            access_logger=connection.access_logger,
            access_log=connection.access_log,
            default_headers=connection.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=self.keep_alive,
            on_response=connection.on_response_complete,
        )
        cycle.more_body = False
        cycle.message_event.set()
        cycle.row, cycle.complete_ns = GET_PAGE_ROW, self._complete_ns
        cycle.disconnected, cycle.is_half_closed = self.disconnected, self.is_half_closed
        if connection.cycle is cast(Any, self):
            connection.cycle = cycle
        return cycle


def _may_use(principal: Principal) -> bool:
    """Note that the principal is used now; return False if its key has ended."""
    now = time()
    if now >= principal.ends_at:
        return False
    principal.used_at = now
    return True


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
