"""Read a request's body with bounds on its seconds and on its bytes, compressed or not."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass

from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

from api.http.answer import is_last
from api.http.gunzip import Gunzip
from api.http.headers import header_values
from api.http.json_scan import BOM_BYTES, without_bom
from api.http.memory_budget import Reservation, out_of_memory
from api.http.problems import Problem, closing

LINGER_SECONDS = 2.0

# In the scope of a request whose body is complete: the first `receive` returns all of it, at once.
IS_HERE = "activity.body_is_here"
# In the scope of a request whose body was dropped: there was no memory for it when it came.
NO_ROOM = "activity.no_room_for_body"


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """Bounds of a body in bytes and seconds; `subject` is what the body holds, for error texts."""

    bytes: int
    seconds: float
    subject: str


async def read_body(
    scope: Scope, receive: Receive, limits: BodyLimits, reservation: Reservation
) -> bytes:
    """Return the whole body, decompressed. A body that is here already reserves no memory.

    Raises:
        Problem: 413 past the bytes, 408 past the seconds, 400 or 415 for a body that can't be
            decompressed, 503 if there is no memory for it.
        ClientDisconnect: The client went away before.
    """
    # The common case, which needs no timeout.
    if IS_HERE in scope and NO_ROOM not in scope and not _has_coding(scope):
        body = _body_of(await receive())
        if len(body) > limits.bytes:
            raise _too_large(limits)
        return body
    pieces = []
    async for piece in body_pieces(scope, receive, limits):
        reservation.reserve(len(piece))
        pieces.append(piece)
    return b"".join(pieces)


async def body_pieces(scope: Scope, receive: Receive, limits: BodyLimits) -> AsyncIterator[bytes]:
    """Yield the pieces of the body as they arrive, decompressed. Raises as `read_body` does."""
    decoder = Gunzip() if _is_gzip(scope) else _Plain()
    if _announced(scope) > limits.bytes:
        raise _too_large(limits)
    clock = asyncio.get_running_loop().time
    left = limits.seconds  # of the client's: those in which its pieces are read are the server's
    packed = unpacked = 0
    more = True
    while more:
        began = clock()
        message = await _next(receive, began + left, limits)
        left -= clock() - began
        if NO_ROOM in scope:
            raise out_of_memory()
        more = message.get("more_body", False)
        part = _body_of(message)
        packed += len(part)
        for piece in decoder.feed(part):
            unpacked += len(piece)
            if max(packed, unpacked) > limits.bytes:
                raise _too_large(limits)
            yield piece
    decoder.finish()


async def without_first_bom(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the pieces without the byte order mark at the start of the body, if it has one."""
    start: bytes | None = b""
    async for piece in pieces:
        if start is None:
            yield piece
        elif len(start) + len(piece) >= BOM_BYTES:
            yield without_bom(start + piece)
            start = None
        else:
            start += piece
    if start:
        yield without_bom(start)


class _Plain:
    """The decoder of a body without a content coding."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        yield data

    def finish(self) -> None:
        pass


def lingering(send: Send, receive: Receive) -> Send:
    """Return a `send` that reads the rest of the body before it ends the answer.

    A connection that is closed with bytes unread is reset, and its client may never see the
    answer. LINGER_SECONDS bound the reading.
    """

    async def lingered(message: Message) -> None:
        if is_last(message):
            await send({**message, "more_body": True})
            await _discard(receive)
            message = {"type": "http.response.body"}
        await send(message)

    return lingered


async def _discard(receive: Receive) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(LINGER_SECONDS):
            while (await receive()).get("more_body"):
                pass


async def _next(receive: Receive, end: float, limits: BodyLimits) -> Message:
    try:
        async with asyncio.timeout_at(end):
            return await receive()
    except TimeoutError:
        raise closing(408, f"The body did not arrive within {limits.seconds:g} s.") from None


def _body_of(message: Message) -> bytes:
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    part: bytes = message.get("body", b"")
    return part


def _has_coding(scope: Scope) -> bool:
    return _ENCODING in dict(scope["headers"])


def _is_gzip(scope: Scope) -> bool:
    """Return whether the body is gzipped. Raises Problem 415 for any other content coding."""
    values = b",".join(header_values(scope["headers"], _ENCODING)).decode("latin-1")
    codings = [coding.strip().lower() for coding in values.split(",")]
    codings = [coding for coding in codings if coding not in ("", "identity")]
    if not codings:
        return False
    if codings not in (["gzip"], ["x-gzip"]):  # RFC 9110, 8.4.1.3
        sent = ", ".join(codings)[:100]
        detail = f"Send the body as it is, or with gzip; its coding is {sent}."
        raise closing(415, detail, (b"accept-encoding", b"gzip"))
    return True


_ENCODING = b"content-encoding"


def _announced(scope: Scope) -> int:
    """Return the Content-Length, or 0 without one. The parser has checked that it is a number."""
    lengths = header_values(scope["headers"], b"content-length")
    return int(lengths[0]) if lengths else 0


def _too_large(limits: BodyLimits) -> Problem:
    allowed = f"the {limits.bytes} bytes that {limits.subject} may have"
    return closing(413, f"The body is larger than {allowed}.")
