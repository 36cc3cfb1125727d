"""Let a web page of another origin post, with a key that names this origin (Fetch, 3.2: CORS).

A browser first asks, without the key, whether the page may post at all: it may if any valid key
names its origin. Then it posts, and shows the page the answer only if the key itself names it.
"""

from collections.abc import Mapping, MutableMapping
from typing import Any

from starlette.types import Message, Scope, Send

from api.auth.access import ACCESS
from api.auth.key_ring import KeyRing
from api.auth.principal import Principal
from api.http.headers import Headers
from storage.access.api_key import Scope as KeyScope

ORIGIN = b"origin"

_ORIGIN = ORIGIN.decode()
_REQUEST_METHOD = "access-control-request-method"
_REQUEST_HEADERS = "access-control-request-headers"
# Of events only: no page of another origin acts as an administrator.
_POST_PATHS = frozenset(
    path for (method, path), scope in ACCESS.items() if method == "POST" and scope is KeyScope.WRITE
)
_REQUEST = "activity.cors"
_UNAUTHORIZED = 401  # told alike to everyone, whatever the reason
_ALLOW_ORIGIN = "access-control-allow-origin"
_MAX_AGE_SECONDS = 600
_USUAL_HEADERS = (
    *("authorization", "content-encoding", "content-type", "idempotency-key"),
    *("traceparent", "tracestate"),
)
_CLOUDEVENTS = "ce-"  # any header with this prefix is an attribute of a CloudEvent
_MAX_ASKED = 100  # headers of one request, and characters of a name
_SHOWN_HEADERS = ", ".join(
    (
        *("activity-ack", "activity-lag", "idempotency-replayed", "location"),
        *("ratelimit", "ratelimit-policy", "retry-after", "x-request-id"),
    )
)


class _CrossOrigin:
    """A request with an origin: whether its key names this origin is known once the key is."""

    def __init__(self, origin: bytes) -> None:
        self._origin = origin
        self.is_allowed = False

    def allow_for(self, principal: Principal) -> None:
        key = principal.key
        self.is_allowed = key is not None and self._origin.decode("latin-1") in key.origins

    def headers(self, status: int) -> Headers:
        if not self.is_allowed or status == _UNAUTHORIZED:
            return ()
        return (
            (_ALLOW_ORIGIN.encode(), self._origin),
            (b"access-control-expose-headers", _SHOWN_HEADERS.encode()),
            (b"vary", ORIGIN),
        )


def watch(scope: Scope, send: Send, origin: bytes) -> Send:
    """Return a `send` for a request from a page, which shows the page the answer if it may see it.

    Notes the request in its scope, for `allow_for`.
    """
    request = scope[_REQUEST] = _CrossOrigin(origin)

    async def send_to_page(message: Message) -> None:
        if message["type"] == "http.response.start":
            more = request.headers(message["status"])
            message = {**message, "headers": [*message["headers"], *more]}
        await send(message)

    return send_to_page


def allow_for(scope: MutableMapping[str, Any], principal: Principal) -> None:
    """Let the page get the answer, whatever it will be, if the key names its origin."""
    request: _CrossOrigin | None = scope.get(_REQUEST)
    if request is not None:
        request.allow_for(principal)


def preflight_headers(
    asked: Mapping[str, str], path: str, keys: KeyRing
) -> Mapping[str, str] | None:
    """Return the headers that allow a page to post, None if no valid key names its origin.

    `asked`: the headers of an OPTIONS request.
    """
    origin = asked.get(_ORIGIN)
    is_preflight = origin is not None and _REQUEST_METHOD in asked and path in _POST_PATHS
    if origin is None or not is_preflight or not keys.admits_origin(origin):
        return None
    return {
        _ALLOW_ORIGIN: origin,
        "access-control-allow-methods": "POST",
        "access-control-allow-headers": _allowed_headers(asked.get(_REQUEST_HEADERS, "")),
        "access-control-max-age": str(_MAX_AGE_SECONDS),
        "vary": _ORIGIN,
    }


def _allowed_headers(asked: str) -> str:
    attributes = [name.strip().lower() for name in asked.split(",")[:_MAX_ASKED]]
    attributes = [
        name
        for name in attributes
        if name.startswith(_CLOUDEVENTS) and name[3:].isalnum() and len(name) <= _MAX_ASKED
    ]
    return ", ".join([*_USUAL_HEADERS, *attributes])
