"""uvicorn's HTTP protocol with bounds on what a client may send, and answers in order.

uvicorn keeps headers for as long as they come, a trailer's too, and pipelined requests however
many; it answers a request that is not HTTP before those ahead of it, and reads nothing after one
that asks for an upgrade. None of that is so here.
"""

import asyncio
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.http.problems import Problem
from api.http.request_body import IS_HERE, NO_ROOM
from api.server import framing, refusals
from api.server.connection_flow import ConnectionFlow
from api.server.process_memory import ProcessMemory
from api.server.single_write import SingleWriteCycle

PIECE_BYTES = 4 * 1024  # parsed at once: as many pipelined requests as fit may wait, no more
REQUEST_BYTES = 2560  # that a request takes in memory while it waits for those ahead of it
_NOTED = frozenset((b"expect", framing.TRANSFER_ENCODING))
FEW_HEADERS = 64  # which are not weighed
LONG_HEAD_BYTES = 16 * 1024  # in memory: a longer head counts, and its connection ends with it


class _Refused(Exception):
    """Ends the parser's work on a request; the protocol keeps the reason."""


class BoundedHeadProtocol(HttpToolsProtocol):
    """Refuses a head that is too long with 431, one that is too slow with 408, and hangs up.

    A body that nobody waits for, because its request was answered before it had come, may take
    as long as a head.
    """

    flow: ConnectionFlow

    def __init__(
        self, *arguments: Any, head_seconds: float, memory: ProcessMemory, **options: Any
    ) -> None:
        super().__init__(*arguments, **options)
        self._memory = memory
        self._head_seconds = head_seconds
        self._head_is_open = False
        self._message_is_open = False
        self._without_body = 0  # bytes of a head, or in a body since its last byte: its framing
        self._unparsed = b""
        self._long_heads = 0  # bytes
        self._has_coding = False
        self._refusal: Problem | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._closes = False  # with the next answer
        self._put_off: tuple[Any, Any] | None = None  # until the client has read

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A new connection must send its first head in time."""
        super().connection_made(transport)
        self.flow = ConnectionFlow(transport, self._memory)
        self._memory.answers.watch(transport)
        self._start_clock()
        if len(self.connections) > self._memory.connections:
            self._refuse(refusals.TOO_MANY)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is awaited any more."""
        self._stop_clock()
        self._unparsed, self._put_off = b"", None
        self.flow.reserve(0)
        self.flow.reserve_waiting(0)
        super().connection_lost(exc)
        self._memory.answers.forget(self.transport)

    def data_received(self, data: bytes) -> None:
        """Parse, unless enough requests wait already."""
        if self._refusal is not None:
            return
        if self._unparsed or len(data) > PIECE_BYTES:
            self._unparsed += data
            self._parse_what_waits()
        else:
            self._parse(data)
        self._look_behind()

    def resume_writing(self) -> None:
        """The client has read; go on with what waited for that."""
        super().resume_writing()
        if self._put_off is not None and not self.transport.is_closing():
            (cycle, app), self._put_off = self._put_off, None
            self._start_asgi_task(cycle, app)
            self._look_behind()

    def eof_received(self) -> bool:  # type: ignore[override]
        """Answer what the client asked before it closed its sending side, then close the rest.

        Nothing is left unparsed: while something is, nothing is read. Return whether an answer
        is due.
        """
        if self._refusal is not None:
            return True
        if self._message_is_open:
            self._refuse(refusals.CUT_SHORT)
            return True
        if self.cycle is None or self.cycle.response_complete:
            return False
        self.cycle.keep_alive = False
        return True

    def on_message_begin(self) -> None:
        """The parser saw the first byte of a request."""
        self._unset_keepalive_if_required()
        self._head_is_open = self._message_is_open = True
        self._without_body = 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """The parser saw one of its headers. A trailer's are no headers: RFC 9110, 6.5.1."""
        if self._head_is_open:
            name = name.lower()
            if name in _NOTED:
                self._note(name, value)
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The parser saw the end of its head."""
        if self.parser.should_upgrade():
            return  # it stops now, and the head is parsed again without that
        if self._has_coding:
            self._require_framing()
        if self._without_body > PIECE_BYTES or len(self.headers) > FEW_HEADERS:
            self._weigh_head()
        super().on_headers_complete()
        cycle = self.cycle
        cycle.__class__ = SingleWriteCycle  # before its task begins; uvicorn names the class itself
        if self._closes:
            cycle.keep_alive = False
        self._end_head()

    def on_body(self, body: bytes) -> None:
        """The parser saw a part of its body."""
        self._without_body = -PIECE_BYTES  # the rest of this piece belongs to it
        scope = self.cycle.scope
        if scope["method"] != "GET" and NO_ROOM not in scope:  # a GET's body nobody reads
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The parser saw its end."""
        if self.parser.should_upgrade():
            return
        self._message_is_open = False
        self._stop_clock()
        if self.flow.reserved:
            self.flow.reserve(0)
        super().on_message_complete()
        self.cycle.scope[IS_HERE] = True  # type: ignore[literal-required]

    def on_response_complete(self) -> None:
        """Go on with what waits; its client has no more time for a body that is not wanted."""
        was_last = not self.pipeline
        super().on_response_complete()
        if self.transport.is_closing():
            return
        if self._refusal is not None:
            if was_last:
                self._hang_up(self._refusal)
            return
        if self._unparsed:
            self._parse_what_waits()
        self._look_behind()
        if self._message_is_open:  # begun before this answer: it is not idle
            self._unset_keepalive_if_required()
            if self.cycle.response_complete:
                self._start_clock()

    def announce_close(self) -> None:
        """Say `Connection: close` with the answer under way, or else with the next one."""
        self._closes = True
        cycle = self.cycle
        if cycle is not None and not cycle.response_started:
            cycle.keep_alive = False

    def shutdown(self) -> None:
        """Close it, after the answers to what has come whole. The rest is told to come again."""
        if self._message_is_open and self._refusal is None:
            self._refuse(refusals.STOPPING)
        else:
            super().shutdown()

    def _note(self, name: bytes, value: bytes) -> None:
        if name == framing.TRANSFER_ENCODING:
            self._has_coding = True
        elif value.lower() == b"100-continue":
            self.expect_100_continue = True

    def _require_framing(self) -> None:
        self._has_coding = False
        problem = framing.framing_problem(self.parser.get_http_version(), self.headers)
        if problem is not None:
            self._refuse(problem)
            raise _Refused

    def _weigh_head(self) -> None:
        """Count a long head until the connection ends: as long as it is idle, it keeps the last."""
        size = framing.head_bytes(self.url, self.headers)
        if size <= LONG_HEAD_BYTES:
            return
        self._closes = True
        self._long_heads += size
        self.flow.reserve(0)
        if not self.flow.reserve_waiting(self.flow.waiting + size):
            self._refuse(refusals.NO_ROOM_TO_READ)
            raise _Refused

    def _end_head(self) -> None:
        self._head_is_open = False
        self._without_body = 0
        if self.flow.reserved:
            self.flow.reserve(0)
        if self._deadline is not None:
            self._stop_clock()

    def _parse_what_waits(self) -> None:
        data, start = self._unparsed, 0
        while start < len(data) and not self.pipeline and self._refusal is None:
            self._parse(data[start : start + PIECE_BYTES])
            start += PIECE_BYTES
        self._unparsed = b"" if self._refusal else data[start:]

    def _parse(self, piece: bytes) -> None:
        self._feed(piece)
        if self._message_is_open and self._refusal is None:
            self._on_unfinished(len(piece))

    def _on_unfinished(self, size: int) -> None:
        """The request goes on after these bytes."""
        self._without_body += size
        if self._without_body > refusals.HEAD_BYTES:
            self._refuse(refusals.TOO_LONG)
        elif self._head_is_open:
            if self._deadline is None:
                self._start_clock()
            if not self.flow.reserve(self._without_body + framing.HEADER_BYTES * len(self.headers)):
                self._refuse(refusals.NO_ROOM_TO_READ)
        else:
            self._reserve_body(size)

    def _reserve_body(self, size: int) -> None:
        """Hold room for what nobody has taken yet of a body that goes on after `size` bytes.

        A field of a trailer is kept by the parser until it ends.
        """
        trailer = max(self._without_body, 0)
        if self.flow.reserve(len(self.cycle.body) + trailer):
            return
        if trailer:
            self._refuse(refusals.NO_ROOM_TO_READ)
        else:
            self._drop_body()

    def _drop_body(self) -> None:
        """Keep nothing more of the body; whoever reads it answers that there is no room."""
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
        """The head again, for a new parser: this one takes no body after a wish to upgrade.

        A server may ignore that wish (RFC 9110, 7.8). Java's client has it in each first request.
        """
        line = (self.parser.get_method(), self.url, self.parser.get_http_version())
        head = framing.head_without_upgrade(line, self.headers)
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        return head

    def _look_behind(self) -> None:
        """Read on, or not; a head that is not read on may take its time."""
        was_behind = self.flow.behind
        waits = self.pipeline or self._unparsed or self._put_off
        self.flow.behind = bool(waits or self._refusal)
        if self.flow.behind:
            self.flow.pause_reading()
            self._stop_clock()
            self._reserve_waiting()
        elif was_behind:
            self.flow.reserve_waiting(self._long_heads)
            self.flow.resume_reading()
            if self._head_is_open:
                self._start_clock()

    def _reserve_waiting(self) -> None:
        """Hold room for what waits for its turn; drop it if there is none: it was not begun."""
        size = self._long_heads + len(self._unparsed) + REQUEST_BYTES * len(self.pipeline)
        if self._refusal is None and not self.flow.reserve_waiting(size):
            self._refuse(refusals.NO_ROOM_TO_READ)
            self.pipeline.clear()

    def _start_clock(self) -> None:
        self._stop_clock()
        self._deadline = self.loop.call_later(self._head_seconds, self._refuse, refusals.TOO_SLOW)

    def _stop_clock(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _refuse(self, problem: Problem) -> None:
        """Nothing more is read. Requests that came before are answered before."""
        self._stop_clock()
        self._refusal, self._unparsed = problem, b""
        self.flow.reserve(0)
        if self._message_is_open and not self._head_is_open:
            self._give_up_request(problem)
        elif self.cycle is None or (self.cycle.response_complete and not self.pipeline):
            self._hang_up(problem)

    def _give_up_request(self, problem: Problem) -> None:
        """End the request whose body can't be read to its end."""
        if self.pipeline:
            self.pipeline.popleft()  # the newest; those ahead of it are answered first
            return
        self.cycle.disconnected = True  # whoever reads its body is told so
        self.cycle.message_event.set()
        if self.cycle.response_started:
            self.transport.close()
        else:
            self._hang_up(problem)

    def _hang_up(self, problem: Problem) -> None:
        if not self.transport.is_closing():
            self.transport.write(refusals.answer(problem))
            self.transport.close()
