"""uvicorn's request and answer, with an answer that is whole at once sent in one system call."""

from typing import Any

from starlette.types import Message
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from api.http.problems import MEDIA_TYPE, unavailable
from api.server.unread_answers import LARGE_BYTES

# All that a head may hold (RFC 9110, 5.5) but the ends of its lines.
_PRINTABLE = b"\t" + bytes(range(0x20, 0x7F)) + bytes(range(0x80, 0x100))
_NO_BODY = (204, 304)
_OF_THE_CONNECTION = (b"connection", b"transfer-encoding")


class SingleWriteCycle(RequestResponseCycle):
    """The head waits for the first part of the body, as ASGI asks for.

    Two writes are two system calls and may be two packets. What is unusual is left to uvicorn.
    """

    _start: Any = None

    async def send(self, message: Any) -> None:
        """The next part of the answer."""
        start = self._start
        if message["type"] == "http.response.start" and not self.response_started:
            self._start = message
        elif start is None:
            await self._send(message)
        elif len(message.get("body", b"")) > LARGE_BYTES:
            await self._send_large(start, message)
        elif self._sent_whole(start, message):
            self._start = None
        else:
            await self._send_in_parts(start, message)

    def send_whole(self, start: Message, end: Message) -> bool:
        """Send the whole answer at once, outside of any task; False: nothing was done."""
        return len(end["body"]) <= LARGE_BYTES and self._sent_whole(start, end)

    async def _send_large(self, start: Message, end: Message) -> None:
        """Send it if there is room for it, in case its client does not read it.

        What was accepted is always told.
        """
        self._start = None
        flow: Any = self.flow
        method = self.scope["method"]
        may_be_refused = method == "GET" or (start["status"] >= 400 and method != "HEAD")
        if not flow.answers.free_memory(len(end["body"])) and may_be_refused:
            start, end = _no_room()
        flow.answer_bytes = len(end["body"])
        if not self._sent_whole(start, end):
            await self._send_in_parts(start, end)
        flow.answer_bytes = 0

    async def _send_in_parts(self, start: Message, end: Message) -> None:
        self._start = None
        await self._send(start)
        await self._send(end)

    async def receive(self) -> Any:
        """The next part of the body: from now on its reader accounts for it."""
        message = await super().receive()
        flow: Any = self.flow
        if flow.reserved:
            flow.reserve(0)
        return message

    async def _send(self, message: Any) -> None:
        """As uvicorn does, which tells only the newest request that its client has gone."""
        if self.flow.write_paused:
            await self.flow.drain()
        if self.transport.is_closing():
            self.disconnected = True
        await super().send(message)

    def _sent_whole(self, start: Message, end: Message) -> bool:
        """Whether it could be sent at once; else nothing was done."""
        body = end.get("body", b"")
        if (
            end["type"] != "http.response.body"
            or end.get("more_body")
            or self.disconnected
            or self.transport.is_closing()
            or self.flow.write_paused
            or not self.keep_alive
            or self.access_log
            or self.scope["method"] == "HEAD"
        ):
            return False
        head = _head(start["status"], [*self.default_headers, *start["headers"]], len(body))
        if head is None:
            return False
        self.waiting_for_100_continue = False
        self.response_started = self.response_complete = True
        self.transport.writelines((head, body))
        self.message_event.set()
        self.on_response()
        return True


def _no_room() -> tuple[Message, Message]:
    problem = unavailable(
        "Other clients have large answers to read. Ask for fewer events, or later."
    )
    body = problem.body()
    length = str(len(body)).encode()
    headers = [(b"content-type", MEDIA_TYPE), (b"content-length", length), *problem.headers]
    start = {"type": "http.response.start", "status": problem.status, "headers": headers}
    return start, {"type": "http.response.body", "body": body}


def _head(status: int, headers: list[tuple[bytes, bytes]], length: int) -> bytes | None:
    """None where a header says more than what the body is, or holds what none may."""
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
