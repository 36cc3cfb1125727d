"""Which route a path belongs to, for the metrics of requests."""

import re
from functools import lru_cache

from api.http.paths import ALIASES, EVENTS, PATHS, pattern_of, plain_path
from storage.metrics.http_requests import row_of

ROUTED_PATH = "activity.path"  # in a scope: the path without the prefix of a proxy
REQUEST = "activity.request"  # in a scope: its `RequestId`

UNREAD_ROW = row_of("other", "unread")
POST_EVENT_ROW = row_of("POST", EVENTS)
GET_PAGE_ROW = row_of("GET", EVENTS)

_PLAIN = {path: path for path in PATHS} | ALIASES
_PATTERNS = [
    *((re.compile(pattern_of(path)), path) for path in PATHS if "{" in path),
    (re.compile("/docs/docs/[^/]+"), "/docs/{file}"),
]
_MAX_REMEMBERED = 1024


@lru_cache(_MAX_REMEMBERED)
def route_of(path: str) -> str:
    """Return the route of a path, as the catalogue names it; `unmatched` if none has it."""
    plain = plain_path(path)
    found = (route for pattern, route in _PATTERNS if pattern.fullmatch(plain))
    return _PLAIN.get(plain) or next(found, "unmatched")
