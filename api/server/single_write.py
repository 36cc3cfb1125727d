"""uvicorn's request and answer; an answer that is complete at once is sent in one system call."""

import asyncio
from typing import Any

from starlette.types import Message
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from api.http.answer import Answer, is_last
from api.http.headers import Headers
from api.http.long_answer import BREAK_OFF, END_WITH
from api.http.problems import unavailable
from api.http.request_metrics import REQUEST, ROUTED_PATH, route_of
from api.server.access_log import Answered, access_log, announced_size
from api.server.unframed_answer import UnframedAnswer
from api.server.unread_answers import LARGE_BYTES
from storage.logs.request_id import RequestId
from storage.metrics.http_requests import Row, count_answer, row_of

# All bytes that a head may have (RFC 9110, 5.5) except its line ends.
_PRINTABLE = b"\t" + bytes(range(0x20, 0x7F)) + bytes(range(0x80, 0x100))
_NO_BODY = (204, 304)
_OUR_OWN = (BREAK_OFF, END_WITH)
_OF_THE_CONNECTION = (b"connection", b"transfer-encoding")
_NO_MEMORY = unavailable(
    "Unread large answers to other clients use all the memory for them. Ask for fewer events, or "
    "try again later."
)


class SingleWriteCycle(RequestResponseCycle):
    """A request and its answer, whose head waits for the first part of the body, as ASGI asks for.

    Two writes are two system calls and may be two packets. uvicorn sends what is unusual.
    Each answer is counted before it is sent, so no client sees an answer that is not counted.

    `complete_ns`: when the last byte of the request came, 0 before. `row`: where the answer is
    counted, if that is known without asking for the route.
    """

    complete_ns = 0
    row: Row | None = None
    is_half_closed = False  # by the client
    stopping: asyncio.Event | None = None  # set when the server stops; of an answer that takes long
    _unframed: UnframedAnswer | None = None
    _is_body_read = False
    _start: Any = None

    async def run_asgi(self, app: Any) -> None:
        """Run the application. An error behind a whole answer ends the request, and no more.

        Starlette raises each error again that it has answered with 500. uvicorn would then close a
        connection of which its client was not told, perhaps with the next request on it.
        """

        async def run(scope: Any, receive: Any, send: Any) -> None:
            try:
                await app(scope, receive, send)
            except Exception as error:
                if not self.response_complete:
                    raise
                self.logger.error("Exception in ASGI application\n", exc_info=error)

        await super().run_asgi(run)

    async def send(self, message: Any) -> None:
        """Send the next part of the answer."""
        start = self._start
        if message["type"] == "http.response.start" and not self.response_started:
            self._start = message
        elif start is None:
            await self._send(message)
        elif len(message.get("body", b"")) > LARGE_BYTES:
            await self._send_large(start, message)
        else:
            await self._send_both(start, message)

    def send_whole(self, answer: Answer) -> bool:
        """Send the answer at once, outside of any task.

        Return False, with nothing sent, where that can't be done. A large answer may have to wait.
        """
        return len(answer.body) <= LARGE_BYTES and self._send_whole(*answer)

    async def receive(self) -> Any:
        """Return the next part of the body: from now on its reader accounts for it.

        Behind the body it returns, once or twice, an empty part when the client has closed its
        sending side. It may have left, or wait for its answer: that can't be told apart.
        """
        if self.is_half_closed and self._is_body_read:
            self.is_half_closed = False
            return {"type": "http.request", "body": b"", "more_body": False}
        message = await super().receive()
        self._is_body_read = not message.get("more_body")
        flow: Any = self.flow
        if flow.unfinished.held:
            flow.unfinished.resize(0)
        return message

    async def _send_large(self, start: Message, part: Message) -> None:
        """Send them if there is memory for them, in case the client does not read.

        What was accepted is always answered as such.
        """
        flow: Any = self.flow
        method = self.scope["method"]
        may_be_refused = method == "GET" or (start["status"] >= 400 and method != "HEAD")
        if not flow.answers.free_memory(len(part["body"])) and may_be_refused:
            start, part = _NO_MEMORY.answer().messages()
        flow.answer_bytes = len(part["body"])
        await self._send_both(start, part)
        flow.answer_bytes = 0

    async def _send_both(self, start: Message, part: Message) -> None:
        """Send the head and the first part of the body: in one write if the part is all of it."""
        self._start = None
        body = part.get("body", b"")
        if is_last(part) and self._send_whole(start["status"], start["headers"], body):
            return
        await self._send(start)
        await self._send(part)

    async def _send(self, message: Any) -> None:
        """Send as uvicorn does, which tells only the newest request that its client has gone."""
        if message["type"] in _OUR_OWN:
            self._obey(message)
            return
        if self.flow.write_paused:
            await self.flow.drain()
        if self.transport.is_closing():
            self.disconnected = True
        if message["type"] == "http.response.start" and not self.disconnected:
            size = announced_size(self.scope["method"], message.get("headers", ()))
            self.count(message["status"], size)
            if size is None and self.scope["http_version"] == "1.0":
                self._unframed = UnframedAnswer(self)
        if self._unframed is not None and not self.disconnected:
            await self._unframed.prepare(message)
        await super().send(message)

    def _obey(self, message: Any) -> None:
        """Do what an answer that takes long asks for."""
        if message["type"] == END_WITH:
            self.stopping = message["event"]
            return
        self.disconnected = True  # nothing more is sent, and uvicorn logs no error
        self.message_event.set()
        if self._unframed is None:
            self.transport.close()  # without the last chunk
        else:
            self._unframed.break_off()

    def count(self, status: int, size: int | None) -> None:
        """Count the answer, and record it in the access log if that is on."""
        scope: Any = self.scope
        row = self.row or row_of(scope["method"], route_of(scope.get(ROUTED_PATH, scope["path"])))
        count_answer(row, status, self.complete_ns)
        if access_log.every:
            self._record(status, size)

    def _record(self, status: int, size: int | None) -> None:
        scope: Any = self.scope
        # Not the current one of the context: another request may run this code when it ends.
        request = scope.get(REQUEST) or RequestId(scope["headers"])
        about = (self.complete_ns, request, scope["client"])
        access_log.record(Answered(scope["method"], scope["path"], status, size, *about))

    def _send_whole(self, status: int, headers: Headers, body: bytes) -> bool:
        if (
            self.disconnected
            or self.transport.is_closing()
            or self.flow.write_paused
            or not self.keep_alive
            or self.access_log
            or self.scope["method"] == "HEAD"
        ):
            return False
        head = head_of(status, [*self.default_headers, *headers], len(body))
        if head is None:
            return False
        self.waiting_for_100_continue = False
        self.response_started = self.response_complete = True
        if self.row is None or access_log.every:
            self.count(status, len(body))
        else:
            count_answer(self.row, status, self.complete_ns)
        self.transport.writelines((head, body))
        self.message_event.set()
        self.on_response()
        return True


def head_of(status: int, headers: list[tuple[bytes, bytes]], length: int) -> bytes | None:
    """Return the head of an answer with a body of this length, ready to be sent with it.

    None if a header rules that out: a header of the connection, another Content-Length than the
    body has, or a value with bytes that no header may have.
    """
    announced = 0 if status in _NO_BODY else None
    parts = [STATUS_LINE[status]]
    for name, value in headers:
        if name == b"content-length":
            announced = int(value)
        elif name in _OF_THE_CONNECTION:
            return None
        parts += (name, b": ", value, b"\r\n")
    parts.append(b"\r\n")
    head = b"".join(parts)
    ends = head.translate(None, _PRINTABLE)
    return head if announced == length and ends == b"\r\n" * (len(headers) + 2) else None
