"""An answer of server-sent events, which ends when its client has gone."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from fastapi import Response
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from api.http.headers import Headers
from api.http.path_middleware import IS_HEAD
from api.http.problem_response import ProblemResponse
from api.http.problems import Problem
from api.query.feed.gone import unless_gone
from api.query.feed.places import Places
from api.query.feed.sse import MEDIA_TYPE

# Not to be kept, and not to be held back by a proxy: nginx reads the second.
HEADERS: Headers = (
    (b"content-type", MEDIA_TYPE),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
)


class EventStream(Response):
    """A stream that takes one of the places while it is open. 503 if none is free.

    Each part is written once the client has read enough of those before.
    """

    def __init__(self, frames: AsyncGenerator[bytes], places: Places) -> None:
        super().__init__()
        self._frames = frames
        self._places = places

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request."""
        try:
            async with aclosing(self._frames):
                if scope.get(IS_HEAD):
                    await _end(send)
                    return
                with self._places.taken():
                    await unless_gone(self._write(send), receive)
        except Problem as problem:
            await ProblemResponse(problem)(scope, receive, send)
        except ClientDisconnect:
            pass

    async def _write(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [*HEADERS]})
        async for part in self._frames:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


async def _end(send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [*HEADERS]})
    await send({"type": "http.response.body", "body": b""})
