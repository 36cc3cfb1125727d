"""Responses for routes to return: JSON and problem documents."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from api.http.answer import JSON, LINE_FEED, AnswerResponse
from api.http.headers import CLOSE
from api.http.problems import MEDIA_TYPE, Problem
from api.http.request_body import lingering


def json_answer(
    body: bytes, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Return a response with this JSON text and a line feed."""
    return Response(body + LINE_FEED, status, headers, JSON)


class JsonResponse(JSONResponse):
    """A response that encodes its content as JSON, with a line feed."""

    def render(self, content: Any) -> bytes:
        """Encode the content."""
        return super().render(content) + LINE_FEED


class ProblemResponse(AnswerResponse):
    """A problem document; `body` describes the problem in another form."""

    def __init__(
        self, problem: Problem, body: bytes | None = None, media_type: str = MEDIA_TYPE.decode()
    ) -> None:
        super().__init__(problem.answer(body, media_type.encode()))
        self._closes = CLOSE in problem.headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the problem; before the connection is closed, read the rest of the request."""
        await super().__call__(scope, receive, lingering(send, receive) if self._closes else send)
