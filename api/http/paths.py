"""How a path of the service may be spelt. Pure.

Every path exists at the root and under `/api`, with and without a trailing slash.
"""

import re

EVENTS = "/events"
_BASES = ("", "/api")
_ENDS = ("", "/")
_ROUTE = re.compile(
    "/(?:events|events/(?:batch|stats|facets|changes|tail|export)|events/[0-9a-fA-F-]{36}(?:/around)?"
    "|v1/logs|status|metrics|health|heath|health/ready"
    r"|openapi\.json|docs|docs/[^/]+|explorer/[0-9a-f]+/.+)"
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
