"""The responses that routes return."""

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
    """Answer what is JSON already."""
    return Response(body + LINE_FEED, status, headers, JSON)


class JsonResponse(JSONResponse):
    """Answer what is yet to become JSON."""

    def render(self, content: Any) -> bytes:
        """Encode it."""
        return super().render(content) + LINE_FEED


class ProblemResponse(AnswerResponse):
    """A problem document; `body` describes the problem in another form."""

    def __init__(
        self, problem: Problem, body: bytes | None = None, media_type: str = MEDIA_TYPE.decode()
    ) -> None:
        super().__init__(problem.answer(body, media_type.encode()))
        self._closes = CLOSE in problem.headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it; what the connection still brings is read before it is closed."""
        await super().__call__(scope, receive, lingering(send, receive) if self._closes else send)
