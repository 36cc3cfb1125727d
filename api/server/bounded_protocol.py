"""uvicorn's HTTP protocol with bounds on the memory that a client's requests take.

uvicorn keeps any number of headers, those of a trailer too, and any number of pipelined requests.
After a request that asks for an upgrade it reads nothing more. This protocol bounds the former,
and ignores the wish to upgrade.
"""

from time import perf_counter_ns
from typing import Any

import httptools

from api.http.request_body import IS_HERE, NO_ROOM
from api.server import framing, refusals
from api.server.refusing_protocol import RefusingProtocol
from api.server.single_write import SingleWriteCycle

PIECE_BYTES = 4 * 1024  # parsed at once: as many pipelined requests as fit may wait, no more
REQUEST_BYTES = 2560  # that a request takes in memory while it waits for those ahead of it
FEW_HEADERS = 64  # a head of so few headers, within one piece, is not counted
LONG_HEAD_BYTES = 16 * 1024  # in memory: a longer head is counted, and closes its connection
_NOTED = frozenset((b"expect", framing.TRANSFER_ENCODING))


class _Refused(Exception):
    """Stops the parser within a request; the protocol keeps the reason."""


class BoundedHeadProtocol(RefusingProtocol):
    """A parser that refuses a head that is too long with 431, and one that is too slow with 408.

    A body may take as long as a head once its request is answered: nobody waits for it.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._overhead = 0  # bytes of the head, or of a body's framing since its last byte
        self._long_head_bytes = 0
        self._has_transfer_coding = False
        self._deferred: tuple[Any, Any] | None = None  # cycle and app, until the client has read

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the request that was not started."""
        self._deferred = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse the bytes, unless enough requests wait already."""
        if self._refusal is not None:
            return
        if self._unparsed or len(data) > PIECE_BYTES:
            self._unparsed += data
            self._parse_pieces()
        else:
            self._parse(data)
        self._update_reading()

    def resume_writing(self) -> None:
        """Start the request that was deferred until the client had read."""
        super().resume_writing()
        if self._deferred is not None and not self.transport.is_closing():
            (cycle, app), self._deferred = self._deferred, None
            self._start_asgi_task(cycle, app)
            self._update_reading()

    def on_message_begin(self) -> None:
        """Note that a request has begun."""
        self._unset_keepalive_if_required()
        self._head_is_open = self._message_is_open = True
        self._overhead = 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header of the head. A trailer's fields are not kept (RFC 9110, 6.5.1)."""
        if self._head_is_open:
            name = name.lower()
            if name in _NOTED:
                self._note(name, value)
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Start the request, or refuse its head."""
        if self.parser.should_upgrade():
            return  # the parser stops here; `_feed` parses the head again without the upgrade
        if self._has_transfer_coding:
            self._require_framing()
        if self._overhead > PIECE_BYTES or len(self.headers) > FEW_HEADERS:
            self._count_long_head()
        super().on_headers_complete()
        cycle = self.cycle
        cycle.__class__ = SingleWriteCycle  # also where it waits behind another request
        if self._closes_next:
            cycle.keep_alive = False
        self._end_head()

    def on_body(self, body: bytes) -> None:
        """Keep a part of the body for whoever reads it."""
        self._overhead = -PIECE_BYTES  # the rest of this piece belongs to the body
        scope = self.cycle.scope
        if scope["method"] != "GET" and NO_ROOM not in scope:  # nobody reads the body of a GET
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Note that the request is complete."""
        if self.parser.should_upgrade():
            return
        self._message_is_open = False
        self._stop_deadline()
        if self.flow.unfinished.held:
            self.flow.unfinished.resize(0)
        super().on_message_complete()
        cycle: Any = self.cycle
        cycle.complete_ns = perf_counter_ns()
        cycle.scope[IS_HERE] = True

    def on_response_complete(self) -> None:
        """Go on with the requests that wait; a body that nobody waits for gets a deadline."""
        was_last = not self.pipeline
        super().on_response_complete()
        if self.transport.is_closing():
            return
        if self._refusal is not None:
            if was_last:
                self._hang_up(self._refusal)
            return
        if self._unparsed:
            self._parse_pieces()
        self._update_reading()
        if self._message_is_open:  # a request began before this answer: the client is not idle
            self._unset_keepalive_if_required()
            if self.cycle.response_complete:
                self._start_deadline()

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        cycle.__class__ = SingleWriteCycle  # before its task is made; uvicorn names its own class
        super()._start_asgi_task(cycle, app)

    def _note(self, name: bytes, value: bytes) -> None:
        if name == framing.TRANSFER_ENCODING:
            self._has_transfer_coding = True
        elif value.lower() == b"100-continue":
            self.expect_100_continue = True

    def _require_framing(self) -> None:
        self._has_transfer_coding = False
        problem = framing.framing_problem(self.parser.get_http_version(), self.headers)
        if problem is not None:
            self._refuse(problem)
            raise _Refused

    def _count_long_head(self) -> None:
        """Count a long head until the connection closes: an idle connection keeps its last head."""
        size = framing.head_bytes(self.url, self.headers)
        if size <= LONG_HEAD_BYTES:
            return
        self._closes_next = True
        self._long_head_bytes += size
        self.flow.unfinished.resize(0)
        if not self.flow.waiting.resize(self.flow.waiting.held + size):
            self._refuse(refusals.NO_ROOM_TO_READ)
            raise _Refused

    def _end_head(self) -> None:
        self._head_is_open = False
        self._overhead = 0
        if self.flow.unfinished.held:
            self.flow.unfinished.resize(0)
        if self._deadline is not None:
            self._stop_deadline()

    def _parse_pieces(self) -> None:
        """Parse what is unparsed, piece by piece, until a request has to wait."""
        data, start = self._unparsed, 0
        while start < len(data) and not self.pipeline and self._refusal is None:
            self._parse(data[start : start + PIECE_BYTES])
            start += PIECE_BYTES
        self._unparsed = b"" if self._refusal else data[start:]

    def _parse(self, piece: bytes) -> None:
        self._feed(piece)
        if self._message_is_open and self._refusal is None:
            self._bound_unfinished(len(piece))

    def _bound_unfinished(self, size: int) -> None:
        """Bound the bytes and the time of a request that goes on after this piece of `size`."""
        self._overhead += size
        if self._overhead > refusals.HEAD_BYTES:
            self._refuse(refusals.TOO_LONG)
        elif self._head_is_open:
            if self._deadline is None:
                self._start_deadline()
            head_bytes = self._overhead + framing.HEADER_BYTES * len(self.headers)
            if not self.flow.unfinished.resize(head_bytes):
                self._refuse(refusals.NO_ROOM_TO_READ)
        else:
            self._reserve_body(size)

    def _reserve_body(self, size: int) -> None:
        """Reserve memory for the part of a body that nobody has read yet.

        `size`: bytes of the last piece. The parser keeps a field of a trailer until its end.
        """
        trailer = max(self._overhead, 0)
        if self.flow.unfinished.resize(len(self.cycle.body) + trailer):
            return
        if trailer:
            self._refuse(refusals.NO_ROOM_TO_READ)
        else:
            self._drop_body()

    def _drop_body(self) -> None:
        """Keep no more of the body; whoever reads it answers that there is no room."""
        self.cycle.scope[NO_ROOM] = True  # type: ignore[literal-required]
        self.cycle.body = bytearray()
        self.cycle.message_event.set()

    def _feed(self, piece: bytes) -> None:
        while piece:
            try:
                self.parser.feed_data(piece)
                return
            except httptools.HttpParserUpgrade as stop:
                if self.parser.get_method() == b"CONNECT":
                    self._refuse(refusals.NOT_HTTP)
                    return
                piece = self._without_upgrade() + piece[stop.args[0] :]
            except httptools.HttpParserError:
                if self._refusal is None:
                    self._refuse(refusals.NOT_HTTP)
                return

    def _without_upgrade(self) -> bytes:
        """Replace the parser, which takes no body after a wish to upgrade; return the head for it.

        A server may ignore that wish (RFC 9110, 7.8). Java's client sends it in each first request.
        """
        line = (self.parser.get_method(), self.url, self.parser.get_http_version())
        head = framing.head_without_upgrade(line, self.headers)
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        return head

    def _update_reading(self) -> None:
        """Read no further while requests wait; a head has no deadline meanwhile."""
        had_backlog = self.flow.has_backlog
        waits = self.pipeline or self._unparsed or self._deferred
        self.flow.has_backlog = bool(waits or self._refusal)
        if self.flow.has_backlog:
            self.flow.pause_reading()
            self._stop_deadline()
            self._reserve_waiting()
        elif had_backlog:
            self.flow.waiting.resize(self._long_head_bytes)
            self.flow.resume_reading()
            if self._head_is_open:
                self._start_deadline()

    def _reserve_waiting(self) -> None:
        """Reserve memory for the requests that wait; drop them if it does not fit: none started."""
        requests = REQUEST_BYTES * len(self.pipeline)
        size = self._long_head_bytes + len(self._unparsed) + requests
        if self._refusal is None and not self.flow.waiting.resize(size):
            self._refuse(refusals.NO_ROOM_TO_READ)
            self.pipeline.clear()
