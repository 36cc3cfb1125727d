"""Reading a request's body with a bound on its bytes, packed and unpacked, and on its time."""

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

# In the scope of a request whose body has come whole: the first `receive` gives all of it, at once.
IS_HERE = "activity.body_is_here"
# In the scope of a request whose body is not kept: there was no room for it when it came.
NO_ROOM = "activity.no_room_for_body"


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """Bytes a body may have, unpacked or not; seconds it may take; what it is, for people."""

    bytes: int
    seconds: float
    what: str


async def read_body(
    scope: Scope, receive: Receive, limits: BodyLimits, reservation: Reservation
) -> bytes:
    """The whole body, unpacked. One that is here already takes no room: it ends soon.

    Raises Problem 413 past the bytes, 408 past the seconds, 400 and 415 for what can't be
    unpacked, 503 where there is no room; ClientDisconnect when the client goes away first.
    """
    # Most bodies are: that takes no clock.
    if IS_HERE in scope and NO_ROOM not in scope and not _has_coding(scope):
        body = _part(await receive())
        if len(body) > limits.bytes:
            raise _too_large(limits)
        return body
    pieces = []
    async for piece in body_pieces(scope, receive, limits):
        reservation.reserve(len(piece))
        pieces.append(piece)
    return b"".join(pieces)


async def body_pieces(scope: Scope, receive: Receive, limits: BodyLimits) -> AsyncIterator[bytes]:
    """The same as it arrives, in pieces."""
    unpack = Gunzip() if _is_gzip(scope) else _Plain()
    if _announced(scope) > limits.bytes:
        raise _too_large(limits)
    end = asyncio.get_running_loop().time() + limits.seconds
    packed = unpacked = 0
    more = True
    while more:
        message = await _next(receive, end, limits)
        if NO_ROOM in scope:
            raise out_of_memory()
        more = message.get("more_body", False)
        part = _part(message)
        packed += len(part)
        for piece in unpack.feed(part):
            unpacked += len(piece)
            if max(packed, unpacked) > limits.bytes:
                raise _too_large(limits)
            yield piece
    unpack.finish()


async def without_first_bom(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The pieces without a byte order mark at the start of the first ones."""
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
    """A body without a content coding."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        yield data

    def finish(self) -> None:
        pass


def lingering(send: Send, receive: Receive) -> Send:
    """A `send` that reads the rest of the body, for LINGER_SECONDS at most, before its end.

    A connection that is closed on unread bytes is reset, and its client may never see the answer.
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


def _part(message: Message) -> bytes:
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    part: bytes = message.get("body", b"")
    return part


def _has_coding(scope: Scope) -> bool:
    return _ENCODING in dict(scope["headers"])


def _is_gzip(scope: Scope) -> bool:
    """Raises Problem 415 for any other content coding."""
    values = b",".join(header_values(scope["headers"], _ENCODING)).decode("latin-1")
    codings = [coding.strip().lower() for coding in values.split(",")]
    codings = [coding for coding in codings if coding not in ("", "identity")]
    if not codings:
        return False
    if codings not in (["gzip"], ["x-gzip"]):  # RFC 9110, 8.4.1.3
        detail = f"Send the body as it is, or with gzip; this is {', '.join(codings)[:100]}."
        raise closing(415, detail, (b"accept-encoding", b"gzip"))
    return True


_ENCODING = b"content-encoding"


def _announced(scope: Scope) -> int:
    """The Content-Length, 0 when there is none; the server has checked that it is a number."""
    lengths = header_values(scope["headers"], b"content-length")
    return int(lengths[0]) if lengths else 0


def _too_large(limits: BodyLimits) -> Problem:
    return closing(413, f"The body is larger than the {limits.bytes} bytes {limits.what}.")
