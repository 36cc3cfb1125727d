"""Request one document of a service from this machine. Standard library only."""

import http.client
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ssl import SSLContext

# "localhost" is tried as ::1 and as 127.0.0.1: a machine may have no IPv6.
_THIS_MACHINE = {
    "0.0.0.0": "127.0.0.1",  # noqa: S104 - an address to connect to, not to bind
    "::": "localhost",
    "": "localhost",
}


_NO_HEADERS: Mapping[str, str] = {}


class Response(NamedTuple):
    """The status and the first bytes of the body."""

    status: int
    body: bytes


def reachable(host: str) -> str:
    """Return where to connect to for a service that listens on `host`."""
    return _THIS_MACHINE.get(host, host)


def get(
    host: str,
    port: int,
    path: str,
    seconds: float,
    max_bytes: int,
    headers: Mapping[str, str] = _NO_HEADERS,
    tls: "SSLContext | None" = None,
) -> Response:
    """GET `path` directly, even if the environment names a proxy.

    `host` is an address that a service listens on; one that stands for every address of the
    machine is replaced by a loopback address. `seconds` is the time limit of each step. `tls`: what
    is trusted, for HTTPS. Raises `OSError`, `http.client.HTTPException`.
    """
    address = reachable(host)
    if tls is None:
        connection = http.client.HTTPConnection(address, port, timeout=seconds)
    else:
        connection = http.client.HTTPSConnection(address, port, timeout=seconds, context=tls)
    try:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        return Response(response.status, response.read(max_bytes))
    finally:
        connection.close()
