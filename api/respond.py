"""Sending a ready answer."""

from starlette.responses import Response
from starlette.types import Send

from api.problems import MEDIA_TYPE, Problem


async def send_problem(send: Send, problem: Problem) -> None:
    """Send a problem document from plain ASGI."""
    body = problem.body()
    headers = [
        (b"content-type", MEDIA_TYPE),
        (b"content-length", str(len(body)).encode()),
        *problem.headers,
    ]
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def problem_response(problem: Problem) -> Response:
    """The same for FastAPI's routes."""
    response = Response(problem.body(), problem.status, media_type=MEDIA_TYPE.decode())
    for name, value in problem.headers:
        response.headers[name.decode()] = value.decode()
    return response
