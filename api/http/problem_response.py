"""Sending a ready answer. All JSON ends with a line feed, so that a prompt does not follow it."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from api.http.problems import CLOSE, MEDIA_TYPE, Problem
from api.http.request_body import lingering

JSON = "application/json"
END = b"\n"


def json_answer(
    body: bytes, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Answer what is JSON already."""
    return Response(body + END, status, headers, JSON)


class JsonResponse(JSONResponse):
    """Answer what is yet to become JSON."""

    def render(self, content: Any) -> bytes:
        """Encode it."""
        return super().render(content) + END


class ProblemResponse(Response):
    """A problem document; `body` tells the problem in another form."""

    def __init__(
        self, problem: Problem, body: bytes | None = None, media_type: str = MEDIA_TYPE.decode()
    ) -> None:
        told = problem.body() + END if body is None else body
        super().__init__(told, problem.status, media_type=media_type)
        self._closes = CLOSE in problem.headers
        for name, value in problem.headers:
            self.headers[name.decode()] = value.decode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it; what the connection still brings is read before it is closed."""
        await super().__call__(scope, receive, lingering(send, receive) if self._closes else send)
