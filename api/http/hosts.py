"""Which `Host` a request may name, so that no web page reads the service through a browser.

In an attack by DNS rebinding, the name of a page's own server resolves to the address of this
machine, and the browser takes our answers for the page's own. Its requests still carry that name.
"""

import re
from collections.abc import Sequence

from starlette.types import Scope

from api.http.addresses import parse_address
from api.http.error_detail import ErrorDetail
from api.http.headers import header_values
from api.http.problems import Problem

SETTING = "ACTIVITY_ALLOWED_HOSTS"
MAX_KNOWN = 1024
_MAX_KNOWN_BYTES = 300  # a name has 253 characters at most
_SHOWN_CHARACTERS = 100

# RFC 9110, 7.2 and RFC 3986, 3.2.2: an IPv6 address, or a name or IPv4 address; then the port.
_HOST = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]*)(?::[0-9]*)?")

_NOT_ONE = Problem(
    400,
    "An HTTP/1.1 request must have exactly one Host header.",
    [ErrorDetail("must be given once", header="Host")],
)
_NO_HOST = Problem(
    400,
    "The Host header is not a valid host.",
    [ErrorDetail("must be HOST or HOST:PORT", header="Host")],
)


class Hosts:
    """The host names that the service answers to.

    Without patterns: loopback names if the service listens on a loopback address, else any name.
    With patterns (`name`, `*.domain`, `*`): those and loopback names, and on any other address
    every IP address too, as an address can't be rebound. Always: `own`, the name it listens on.
    `known` caches header values that were allowed.
    """

    def __init__(
        self, patterns: Sequence[str] = (), on_loopback: bool = False, own: str = "localhost"
    ) -> None:
        self.known: set[bytes] = set()
        self._any = "*" in patterns or not (patterns or on_loopback)
        self._names = {*patterns, own.lower(), "localhost"}
        self._domains = tuple(each[1:] for each in patterns if each.startswith("*."))
        self._on_loopback = on_loopback

    def admits(self, value: bytes | None) -> bool:
        """Return whether a request may have this Host; None stands for a request without one."""
        if value in self.known:
            return True
        name = None if value is None else _name(value)
        if value is None or name is None or not self._allows(name):
            return False
        self._remember(value)
        return True

    def refusal(self, scope: Scope) -> Problem | None:
        """Return why the request is refused: 400, or 421 for a name that is not allowed."""
        values = header_values(scope["headers"], b"host")
        if not values and scope["http_version"] == "1.0":
            return None
        if len(values) != 1:
            return _NOT_ONE
        [value] = values
        if self.admits(value):
            return None
        name = _name(value)
        return _NO_HOST if name is None else _misdirected(name)

    def _remember(self, value: bytes) -> None:
        if len(self.known) >= MAX_KNOWN:
            self.known.clear()
        if len(value) <= _MAX_KNOWN_BYTES:
            self.known.add(value)

    def _allows(self, name: str) -> bool:
        return (
            self._any
            or name in self._names
            or name.endswith(self._domains)
            or self._allows_address(name)
        )

    def _allows_address(self, name: str) -> bool:
        try:
            address = parse_address(name.strip("[]"))
        except ValueError:
            return False
        return address.is_loopback or not self._on_loopback


def _name(value: bytes) -> str | None:
    """Return the header's host in lower case, without the port; None if it is malformed."""
    match = _HOST.fullmatch(value)
    return match[1].decode().lower().removesuffix(".") if match else None


def _misdirected(name: str) -> Problem:
    shown = name[:_SHOWN_CHARACTERS]
    detail = (
        f"This service does not answer to the name '{shown}'. Its operator can allow the name "
        f"with the setting {SETTING}."
    )
    return Problem(421, detail, [ErrorDetail("is not allowed", header="Host")])
