"""Reading a request's body with a bound on its bytes and on its time."""

import asyncio

from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope

from api.problems import Problem


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
    """The rest of the body is not read, so the connection can't be used again."""
    return Problem(status, detail, headers=((b"connection", b"close"),))
