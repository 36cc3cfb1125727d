"""Which methods a path answers: for 405, and for OPTIONS with the handshake of CloudEvents."""

from fastapi import Request, Response
from starlette.routing import Match

from api.http.problems import Problem

# Any sender may post, as fast as it likes: a full queue says so itself (CloudEvents, HTTP 1.1 Web
# Hooks, 4.2). The asterisk allows every origin, so that nothing of the request is repeated.
_ALLOWED = {"webhook-allowed-origin": "*", "webhook-allowed-rate": "*"}
_ORIGIN = "webhook-request-origin"
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_TAKE_CLOUDEVENTS = ("/events", "/events/batch")


def options(request: Request) -> Response:
    """204 with the methods of this path, and consent to deliver CloudEvents where that is asked."""
    headers = {"allow": _listed(request)}
    if _path(request) in _TAKE_CLOUDEVENTS and _ORIGIN in request.headers:
        headers |= _ALLOWED
    return Response(status_code=204, headers=headers)


def is_of_server(request: Request) -> bool:
    """Whether it asks for no path but for the whole server: `OPTIONS *` (RFC 9110, 9.3.7)."""
    return request.method == "OPTIONS" and _path(request) == "*"


def options_of_server() -> Response:
    """204 with every method that any path answers."""
    return Response(status_code=204, headers={"allow": "GET, HEAD, POST, OPTIONS"})


def not_allowed(request: Request) -> Problem:
    """405 with the methods of this path."""
    listed = _listed(request)
    detail = f"{request.method} is not answered here. This path answers {listed}."
    return Problem(405, detail, headers=((b"allow", listed.encode()),))


def _path(request: Request) -> str:
    path: str = request.scope["path"]
    return path.removeprefix(request.scope.get("root_path", ""))


def _listed(request: Request) -> str:
    """Every method that a route of this path takes; Starlette names those of the first alone."""
    scopes = {method: {**request.scope, "method": method} for method in _METHODS}
    found = {
        method
        for method, scope in scopes.items()
        if any(route.matches(scope)[0] is Match.FULL for route in request.app.routes)
    }
    if "GET" in found:
        found.add("HEAD")
    return ", ".join([*sorted(found), "OPTIONS"])
