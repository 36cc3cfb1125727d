"""The path below which a proxy publishes the service, as a setting or a trusted proxy tells it."""

import re
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import ip_network
from urllib.parse import unquote

from starlette.types import Scope

from api.http.addresses import parse_address
from api.http.paths import is_route

FORWARDED = b"x-forwarded-prefix"
# No `//` at its start: in Location that would be another host.
_PREFIX = re.compile(rb"((?:/[A-Za-z0-9._~!$&'()*+;=:@%-]+)+)/?")
_MAX_BYTES = 256


def has_dot_segment(prefix: str) -> bool:
    """Whether a client would resolve it to another path (RFC 3986, 5.2.4)."""
    return not {".", ".."}.isdisjoint(unquote(prefix).split("/"))


class Prefixes:
    """Which prefix is put before the paths in answers, and taken off those of requests."""

    def __init__(self, fixed: str = "", trusted: Sequence[str] = ()) -> None:
        """`fixed`: unless a trusted proxy (address, network, or `*`) says otherwise."""
        self.fixed = fixed.rstrip("/")
        self._any = "*" in trusted
        self._networks = [ip_network(each) for each in trusted if each != "*"]
        self._is_trusted = lru_cache(1024)(self._look_up)

    def below(self, scope: Scope, forwarded: bytes | None) -> Scope:
        """The request with its prefix as `root_path`, which may still be on its path, or not.

        `forwarded` is its X-Forwarded-Prefix.
        """
        prefix, path = self._prefix(scope, forwarded or b""), scope["path"]
        # A route's own path means that the proxy has taken the prefix off, whatever the prefix is.
        if (path == prefix or path.startswith(prefix + "/")) and not is_route(path):
            path = path[len(prefix) :] or "/"
        return {**scope, "path": path, "raw_path": path.encode(), "root_path": prefix}

    def _prefix(self, scope: Scope, forwarded: bytes) -> str:
        found = _PREFIX.fullmatch(forwarded) if len(forwarded) <= _MAX_BYTES else None
        client = scope.get("client")
        if (
            found is None
            or has_dot_segment(forwarded.decode())
            or not self._is_trusted(client[0] if client else None)
        ):
            return self.fixed
        return found[1].decode()

    def _look_up(self, client: str | None) -> bool:
        """A client of a Unix socket has no address; who may open that socket is trusted."""
        if self._any or client is None:
            return True
        address = parse_address(client)
        return any(address in network for network in self._networks)
