"""Every path exists at the root and under `/api`, with and without a trailing slash.

And whatever answers GET answers HEAD (RFC 9110, 9.3.2): the server leaves the body off.
"""

from starlette.types import ASGIApp, Receive, Scope, Send


class PathMiddleware:
    """ASGI: takes `/api` and a trailing slash off a path, so that each route is written once."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request; without redirects, which would lose a POST's body."""
        if scope["type"] == "http":
            path = scope["path"]
            plain = plain_path(path)
            if plain != path:
                scope = {**scope, "path": plain, "raw_path": plain.encode()}
            if scope["method"] == "HEAD":
                scope = {**scope, "method": "GET"}
        await self._app(scope, receive, send)


def plain_path(path: str) -> str:
    """`/api/events/` -> `/events`."""
    if path == "/api" or path.startswith("/api/"):
        path = path[4:]
    if path.endswith("/"):
        path = path[:-1]
    return path or "/"
