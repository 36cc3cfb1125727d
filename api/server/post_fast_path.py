"""The fast path for posting: the protocol itself answers a plainly valid `POST /events`.

A scope, a task, and FastAPI's routing and models cost more than to accept the event. An unusual or
invalid request goes to the FastAPI route of the same path, which tells each fault.
"""

import asyncio
import logging
from functools import partial
from time import perf_counter_ns, time
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from api.auth.bearer import AUTHORIZATION
from api.auth.cors import ORIGIN
from api.auth.key_ring import Memo
from api.auth.limits import KeyLimit
from api.auth.principal import Principal
from api.auth.refusals import unauthorized
from api.formats.cloudevents.binary import BINARY_HEADERS
from api.formats.native_fast import EventIn, parse
from api.http.answer import LINE_FEED
from api.http.headers import CLOSE, Headers, header_lines
from api.http.hosts import Hosts
from api.http.paths import EVENTS, spellings
from api.http.problems import INTERNAL_ERROR, Problem, of_storage
from api.http.proxies import FORWARDED
from api.http.request_metrics import POST_EVENT_ROW
from api.ingest.rejections import count_rejected
from api.ingest.service import Ingest, location
from api.ingest.stamping import StampedEvent
from api.server.access_log import Answered, access_log
from api.server.known_heads import KnownHeads, KnownPost
from storage.errors import QueueFull, StorageError
from storage.logs.request_id import RequestId, handling
from storage.metrics.http_requests import count_answer
from storage.queue.producer import QueuePosition

log = logging.getLogger(__name__)

_JSON = (b"application/json", b"application/json; charset=utf-8", b"application/json;charset=utf-8")

# Headers that ask for more than to accept an event as JSON.
_UNUSUAL = BINARY_HEADERS | {
    *(b"content-encoding", b"transfer-encoding", b"idempotency-key", b"expect"),
    *(FORWARDED, ORIGIN),
}

_ACCEPTED_LINES = (
    b"content-type: application/json\r\ncontent-length: %d\r\nlocation: %b\r\n"
    b"activity-ack: queued\r\n"
)


class PostFastPath:
    """The choice of the requests that the fast path takes, and what their answers share."""

    def __init__(
        self, ingest: Ingest, max_bytes: int, hosts: Hosts, memo: Memo, prefix: str = ""
    ) -> None:
        """Set the bounds, the memo of `KeyRing`, and the path prefix that a proxy adds."""
        self.ingest = ingest
        self.heads: KnownHeads[KnownPost] = KnownHeads()
        self._memo = memo
        self.prefix = prefix
        self._urls = {path.encode() for path in spellings(EVENTS, prefix)}
        self._max_bytes = max_bytes
        self._hosts = hosts
        self._common: Headers = ()
        self._common_lines = b""

    def takes(self, url: bytes, headers: Headers) -> Principal | None:
        """Return who posts, if a POST with this head is taken once its body is plainly valid."""
        found = dict(headers)
        principal = self._memo.get(found.get(AUTHORIZATION))
        if principal is None or not principal.may_write:
            return None
        is_usual = (
            url in self._urls
            and found.get(b"content-type", b"").lower() in _JSON
            and found.keys().isdisjoint(_UNUSUAL)
            and b"content-length" in found
            and int(found[b"content-length"]) <= self._max_bytes
            and len(found) == len(headers)  # none is repeated
            and (
                (host := found.get(b"host")) in self._hosts.known  # the common case, without a call
                or self._hosts.admits(host)
            )
        )
        return principal if is_usual else None

    def post(
        self, connection: HttpToolsProtocol, body: bytes, principal: Principal
    ) -> "Post | None":
        """Return the request with this body, not started yet.

        None unless it is plainly valid, and within the limits of the principal.
        """
        limits = principal.limits
        posted = parse(body)
        if posted is None or (limits and limits.refused(posted.component, posted.environment)):
            return None
        return Post(self, connection, posted, principal)

    def lines(self, common: Headers) -> bytes:
        """Return the lines of `common`, the headers of every answer. They change once a second."""
        if common is not self._common:
            self._common, self._common_lines = common, header_lines(common)
        return self._common_lines


class Post:
    """A request on the fast path, in the role of uvicorn's cycle but without a task."""

    response_started = response_complete = disconnected = False
    keep_alive = True
    is_half_closed = False
    message_event = asyncio.Event()  # uvicorn sets it; nobody waits for it
    _stamped: StampedEvent
    _limit: KeyLimit | None = None  # which the event was taken from

    def __init__(
        self,
        fast_path: PostFastPath,
        connection: HttpToolsProtocol,
        posted: EventIn,
        principal: Principal,
    ) -> None:
        self._fast_path = fast_path
        self._connection = connection
        self._posted = posted
        self._headers = connection.headers  # for an id of the request, if something asks for it
        self._request: RequestId | None = None
        self._principal = principal
        self._complete_ns = perf_counter_ns()

    def start(self) -> None:
        """Append the event, once earlier requests are answered; the answer always comes later.

        The key may have ended since: earlier requests can take seconds.
        """
        try:
            now = time()
            if now >= self._principal.ends_at:
                raise unauthorized()
            self._principal.used_at = now
            if self._limit is None and self._principal.key is not None:
                limit = self._fast_path.ingest.key_limits.of(self._principal.key)
                if limit is not None and not limit.take():
                    limit.admit().add_done_callback(partial(self._on_admitted, limit))
                    return
                self._limit = limit
            self._stamped, appended = self._fast_path.ingest.submit(self._posted)
        except Exception as error:  # noqa: BLE001 - answered and logged as a failed append is
            appended = self._connection.loop.create_future()
            appended.set_exception(error)
        appended.add_done_callback(self._on_appended)

    def _on_admitted(self, limit: KeyLimit, admitted: asyncio.Future[None]) -> None:
        if admitted.cancelled() or admitted.exception() is not None:
            self._on_appended(cast(asyncio.Future[QueuePosition], admitted))
        else:
            self._limit = limit
            self.start()

    def _on_appended(self, appended: asyncio.Future[QueuePosition]) -> None:
        error = asyncio.CancelledError() if appended.cancelled() else appended.exception()
        if error is None:
            stamped = self._stamped
            body = stamped.body + LINE_FEED
            url = self._fast_path.prefix + location(stamped.id)
            lines = _ACCEPTED_LINES % (len(body), url.encode())
            if self._limit is not None:
                lines += self._limit.lines()
            self._answer(202, lines, body)
        else:
            if self._limit is not None:
                self._limit.refund(1)
            self._request = RequestId(self._headers)
            with handling(self._request):
                answer = self._problem(error).answer()
            self._answer(answer.status, header_lines(answer.headers), answer.body)

    def _problem(self, error: BaseException) -> Problem:
        count_rejected(error)
        if isinstance(error, QueueFull):
            error = self._fast_path.ingest.with_retry_after(error)
        if isinstance(error, Problem):
            return error
        if isinstance(error, StorageError):
            return of_storage(error)
        log.error("POST /events", exc_info=error)
        return INTERNAL_ERROR

    def _answer(self, *answer: Any) -> None:
        connection = self._connection
        if not connection.flow.write_paused:
            self._send(*answer)
            return
        task = connection.loop.create_task(self._send_once_read(*answer))
        connection.tasks.add(task)
        task.add_done_callback(connection.tasks.discard)

    async def _send_once_read(self, *answer: Any) -> None:
        """Send the answer once the client has read the earlier ones."""
        await self._connection.flow.drain()
        self._send(*answer)

    def _send(self, status: int, lines: bytes, body: bytes) -> None:
        connection = self._connection
        if connection.transport.is_closing():  # the client may be gone
            return
        if not self.keep_alive:
            lines += header_lines([CLOSE])
        common = self._fast_path.lines(connection.server_state.default_headers)
        count_answer(POST_EVENT_ROW, status, self._complete_ns)  # no client sees it uncounted
        if access_log.every:
            self._record(status, len(body))
        connection.transport.write(b"%b%b%b\r\n%b" % (STATUS_LINE[status], common, lines, body))
        self.response_complete = True
        if not self.keep_alive:
            connection.transport.close()
        connection.on_response_complete()

    def _record(self, status: int, size: int) -> None:
        path = self._fast_path.prefix + EVENTS
        request = self._request or RequestId(self._headers)
        about = (self._complete_ns, request, self._connection.client)
        access_log.record(Answered("POST", path, status, size, *about))
