"""Serve the floor: an ASGI application that reads the body and answers as many bytes as we do.

POST returns the body, with an id and a time of our size before it. GET returns the bytes of the
file in BENCHMARK_BODY.
"""

import os
from pathlib import Path

from starlette.types import Receive, Scope, Send

from benchmarks.rivals.serve import serve

_MADE = (
    b'{"id":"019aa5b1-7c11-7d2e-9c55-3d1f0d4b6a10","created_at":"2026-11-24T05:28:53.120Z",'
    b'"component":'
)
_PAGE = Path(os.environ["BENCHMARK_BODY"]).read_bytes() if "BENCHMARK_BODY" in os.environ else b""
_LOCATION = (b"location", b"/events/019aa5b1-7c11-7d2e-9c55-3d1f0d4b6a10")


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one request."""
    body = b""
    more = scope["method"] == "POST"
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    status, answer = (202, _MADE + body[13:]) if scope["method"] == "POST" else (200, _PAGE)
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(answer)).encode()),
        _LOCATION,
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


if __name__ == "__main__":
    serve(echo)
