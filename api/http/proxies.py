"""The path below which a proxy publishes the service, from a setting or from a trusted proxy."""

import re
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import ip_network
from urllib.parse import unquote

from starlette.types import Scope

from api.http.addresses import parse_address
from api.http.paths import is_route

FORWARDED = b"x-forwarded-prefix"
# No `//` at the start: in Location, that would name another host.
_PREFIX = re.compile(rb"((?:/[A-Za-z0-9._~!$&'()*+;=:@%-]+)+)/?")
_MAX_BYTES = 256


def has_dot_segment(prefix: str) -> bool:
    """Return whether a client would resolve the prefix to another path (RFC 3986, 5.2.4)."""
    return not {".", ".."}.isdisjoint(unquote(prefix).split("/"))


class Prefixes:
    """The prefix that answers put before a path, and that is taken off the path of a request."""

    def __init__(self, fixed: str = "", trusted: Sequence[str] = ()) -> None:
        """Set the fixed prefix, which a trusted proxy (address, network or `*`) can override."""
        self.fixed = fixed.rstrip("/")
        self._any = "*" in trusted
        self._networks = [ip_network(each) for each in trusted if each != "*"]
        self._is_trusted = lru_cache(1024)(self._look_up)

    def below(self, scope: Scope, forwarded: bytes | None) -> Scope:
        """Return the request with its prefix as `root_path`, and without it on the path.

        `forwarded`: the request's X-Forwarded-Prefix. A proxy may leave the prefix on the path.
        """
        prefix, path = self._prefix(scope, forwarded or b""), scope["path"]
        # A route's own path means that the proxy has taken the prefix off, whatever the prefix is.
        if (path == prefix or path.startswith(prefix + "/")) and not is_route(path):
            path = path[len(prefix) :] or "/"
        return {**scope, "path": path, "raw_path": path.encode(), "root_path": prefix}

    def _prefix(self, scope: Scope, forwarded: bytes) -> str:
        match = _PREFIX.fullmatch(forwarded) if len(forwarded) <= _MAX_BYTES else None
        client = scope.get("client")
        if (
            match is None
            or has_dot_segment(forwarded.decode())
            or not self._is_trusted(client[0] if client else None)
        ):
            return self.fixed
        return match[1].decode()

    def _look_up(self, client: str | None) -> bool:
        """Look the client up. One without an address comes from a Unix socket, and is trusted."""
        if self._any or client is None:
            return True
        address = parse_address(client)
        return any(address in network for network in self._networks)
