"""Which route a path belongs to, for the metrics of requests."""

import re
from functools import lru_cache

from api.http.paths import EVENTS, plain_path
from storage.metrics.http_requests import row_of
from storage.metrics.labels import ROUTES

ROUTED_PATH = "activity.path"  # in a scope: the path without the prefix of a proxy
REQUEST = "activity.request"  # in a scope: its `RequestId`

UNREAD_ROW = row_of("other", "unread")
POST_EVENT_ROW = row_of("POST", EVENTS)
GET_PAGE_ROW = row_of("GET", EVENTS)

_PLAIN = {route for route in ROUTES if route.startswith("/")}
_ALIASES = {"/heath": "/health"}
_PATTERNS = (
    (re.compile("/events/[^/]+/around"), "/events/{event_id}/around"),
    (re.compile("/events/[^/]+"), "/events/{event_id}"),
    (re.compile("/admin/dead-letters/[^/]+"), "/admin/dead-letters/{event_id}"),
    (re.compile("/admin/keys/[^/]+/rotate"), "/admin/keys/{key_id}/rotate"),
    (re.compile("/admin/keys/[^/]+/revoke"), "/admin/keys/{key_id}/revoke"),
    (re.compile("/docs/(docs/)?[^/]+"), "/docs/{file}"),
    (re.compile("/explorer/.+"), "/explorer/{file}"),
)
_MAX_REMEMBERED = 1024


@lru_cache(_MAX_REMEMBERED)
def route_of(path: str) -> str:
    """Return the route of a path, as the catalogue names it; `unmatched` if none has it."""
    plain = plain_path(path)
    if plain in _PLAIN:
        return plain
    found = (route for pattern, route in _PATTERNS if pattern.fullmatch(plain))
    return _ALIASES.get(plain) or next(found, "unmatched")
