"""List the methods of a path: for 405, and for OPTIONS with the CloudEvents handshake."""

from fastapi import Request, Response
from starlette.routing import Match

from api.auth import cors
from api.http.problems import Problem
from api.routes.protected_route import keys_of

# Any sender may post at any rate: a full queue answers 503, and a key's limit is told by 429
# (CloudEvents, HTTP 1.1 Web Hooks, 4.2).
# The asterisk allows every origin, so that the response repeats nothing from the request.
_WEBHOOK_CONSENT = {"webhook-allowed-origin": "*", "webhook-allowed-rate": "*"}
_ORIGIN = "webhook-request-origin"
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_TAKE_CLOUDEVENTS = ("/events", "/events/batch")


def options(request: Request) -> Response:
    """Answer 204 with the methods of this path, and with consent to the CloudEvents handshake.

    Answer a browser that asks whether a page may post.
    """
    path, headers = _path(request), {"allow": _methods_of(request)}
    if path in _TAKE_CLOUDEVENTS and _ORIGIN in request.headers:
        headers |= _WEBHOOK_CONSENT
    headers |= cors.preflight_headers(request.headers, path, keys_of(request)) or {}
    return Response(status_code=204, headers=headers)


def is_of_server(request: Request) -> bool:
    """Return whether the request is `OPTIONS *`, about the whole server (RFC 9110, 9.3.7)."""
    return request.method == "OPTIONS" and _path(request) == "*"


def options_of_server() -> Response:
    """Answer 204 with every method that any path has."""
    return Response(status_code=204, headers={"allow": "GET, HEAD, POST, DELETE, OPTIONS"})


def not_allowed(request: Request) -> Problem:
    """Return the 405 with the methods of this path."""
    supported = _methods_of(request)
    detail = f"{request.method} is not supported here. This path supports {supported}."
    return Problem(405, detail, headers=((b"allow", supported.encode()),))


def _path(request: Request) -> str:
    path: str = request.scope["path"]
    return path.removeprefix(request.scope.get("root_path", ""))


def _methods_of(request: Request) -> str:
    """List the methods of every route of this path; Starlette names only those of the first."""
    scopes = {method: {**request.scope, "method": method} for method in _METHODS}
    found = {
        method
        for method, scope in scopes.items()
        if any(route.matches(scope)[0] is Match.FULL for route in request.app.routes)
    }
    if "GET" in found:
        found.add("HEAD")
    return ", ".join([*sorted(found), "OPTIONS"])
