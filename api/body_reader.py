"""Reading a request's body with a bound on its bytes and on its time."""

import asyncio
from contextlib import suppress

from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

from api.problems import Problem

LINGER_SECONDS = 2.0


async def read_body(scope: Scope, receive: Receive, limit: int, seconds: float) -> bytes:
    """The whole body. Raises Problem 413 past `limit` bytes, 408 past `seconds`.

    Raises ClientDisconnect when the client goes away first.
    """
    if _announced(scope) > limit:
        raise _too_large(limit)
    try:
        async with asyncio.timeout(seconds):
            message = await receive()
            body = _part(message)
            if message.get("more_body"):
                return await _rest(bytearray(body), receive, limit)
    except TimeoutError:
        raise _closing(408, f"The body did not arrive within {seconds:g} s.") from None
    if len(body) > limit:
        raise _too_large(limit)
    return body


async def _rest(body: bytearray, receive: Receive, limit: int) -> bytes:
    more = True
    while more:
        message = await receive()
        body += _part(message)
        more = message.get("more_body", False)
        if len(body) > limit:
            raise _too_large(limit)
    return bytes(body)


def lingering(send: Send, receive: Receive) -> Send:
    """A `send` that reads the rest of the body, for LINGER_SECONDS at most, before its end.

    A connection that is closed on unread bytes is reset, and its client may never see the answer.
    """

    async def lingered(message: Message) -> None:
        last = message["type"] == "http.response.body" and not message.get("more_body")
        if last:
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


def _part(message: Message) -> bytes:
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    part: bytes = message.get("body", b"")
    return part


def _announced(scope: Scope) -> int:
    """The Content-Length, 0 when there is none; the server has checked that it is a number."""
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value)
    return 0


def _too_large(limit: int) -> Problem:
    return _closing(413, f"The body is larger than the {limit} bytes that one event may have.")


def _closing(status: int, detail: str) -> Problem:
    """The body is not read to its end, so the connection can't be used again."""
    return Problem(status, detail, headers=((b"connection", b"close"),))
