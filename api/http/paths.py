"""How a path of the service may be spelt. Pure.

Every path exists at the root and under `/api`, with and without a trailing slash.
"""

import re

from storage.metrics.labels import ROUTES

EVENTS = "/events"
ALIASES = {"/heath": "/health"}  # the misspelt path of the first version
PATHS = tuple(route for route in ROUTES if route.startswith("/"))
"""The path of each route; a part that varies is a name in braces."""

_BASES = ("", "/api")
_ENDS = ("", "/")
_VARIES = re.compile(r"\{(\w+)\}")
_EVENT_ID = "[0-9a-fA-F-]{36}"
_PART, _PARTS = "[^/]+", ".+"


def pattern_of(route: str, event_id: str = _PART) -> str:
    """Return the pattern of a route's paths: `{path}` is one or more parts, another name is one."""
    forms = {"event_id": event_id, "path": _PARTS}
    parts = _VARIES.split(route)
    parts[::2] = map(re.escape, parts[::2])
    parts[1::2] = [forms.get(name, _PART) for name in parts[1::2]]
    return "".join(parts)


_ROUTE = re.compile(
    "|".join(pattern_of(route, _EVENT_ID) for route in (*PATHS, *ALIASES) if route != "/")
)


def plain_path(path: str) -> str:
    """Return the path as its route is written: `/api/events/` becomes `/events`."""
    base = _BASES[-1]
    if path == base or path.startswith(base + "/"):
        path = path.removeprefix(base)
    return path.removesuffix("/") or "/"


def spellings(path: str, prefix: str = "") -> set[str]:
    """Return every path that means this one, as it is and below the prefix of a proxy."""
    plain = {base + path + end for base in _BASES for end in _ENDS}
    return plain | {prefix + each for each in plain}


def is_route(path: str) -> bool:
    """Return whether a route of the service other than `/` has this path, however it is spelt."""
    return _ROUTE.fullmatch(plain_path(path)) is not None
