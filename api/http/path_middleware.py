"""Bring each request to its route, however its path is spelt."""

from starlette.types import ASGIApp, Receive, Scope, Send

from api.http.paths import plain_path

IS_HEAD = "activity.head"  # in a scope: the client wants no body


class PathMiddleware:
    """ASGI middleware that takes `/api` and a trailing slash off, so each route is written once.

    It makes HEAD a GET: what answers the one answers the other (RFC 9110, 9.3.2), and the server
    leaves the body out.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, without a redirect, which would lose a POST's body."""
        if scope["type"] == "http":
            path = scope["path"]
            plain = plain_path(path)
            if plain != path:
                scope = {**scope, "path": plain, "raw_path": plain.encode()}
            if scope["method"] == "HEAD":
                scope = {**scope, "method": "GET", IS_HEAD: True}
        await self._app(scope, receive, send)
