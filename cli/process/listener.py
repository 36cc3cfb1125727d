"""The one listening socket that every API process inherits."""

import ctypes
import errno
import select
import socket
import struct
import time
from contextlib import suppress
from pathlib import Path

from cli.errors import AddressError

BACKLOG = 2048
ANY, ANY_IPV4 = "::", "0.0.0.0"  # noqa: S104 - bound only on request
_NO_IPV6 = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)
QUIET_SECONDS = 0.25  # without a waiting connection; after it, open handshakes have ended
STOP_SECONDS = 2.0  # the most to wait: perhaps no process accepts any more
_POLL_SECONDS = 0.01


def listen(host: str, port: int, options: tuple[str, str] = ("--host", "--port")) -> socket.socket:
    """Bind and listen; port 0 takes a free port. Raises `AddressError` with the remedy.

    `options`: what chooses another host and port.

    `::` means every IPv6 and IPv4 address, or every IPv4 address on a machine without IPv6.
    """
    try:
        return _bound(host, port)
    except socket.gaierror as error:
        raise AddressError(
            f"{host} is not an address: {error.strerror}; see {options[0]}"
        ) from None
    except OSError as error:
        if host == ANY and error.errno in _NO_IPV6:
            return listen(ANY_IPV4, port, options)
        raise AddressError(_explain(error, host, port, options)) from None


def _bound(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        # Without it, a restart waits until the connections of the previous run time out.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, host != ANY)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def host_of(listener: socket.socket, host: str) -> str:
    """Return the address that the socket listens on, given the requested `host`."""
    return ANY_IPV4 if host == ANY and listener.family == socket.AF_INET else host


def port_of(listener: socket.socket) -> int:
    """Return the port that the socket listens on."""
    port: int = listener.getsockname()[1]
    return port


def url(host: str, port: int, scheme: str = "http") -> str:
    """Return the URL for clients."""
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def stop_listening(listener: socket.socket) -> None:
    """Close the socket once the API processes have accepted every established connection.

    When a listening socket is closed, the kernel resets the connections that wait on it, even if
    their clients have already sent a request. So this first drops new connections (their clients
    try again, and are refused), and then waits until no connection waits.
    """
    _drop_new_connections(listener)
    last = quiet_since = time.monotonic()
    end = last + STOP_SECONDS
    while last < min(quiet_since + QUIET_SECONDS, end):
        if select.select([listener], [], [], 0)[0]:
            quiet_since = last
        time.sleep(_POLL_SECONDS)
        last = time.monotonic()
    listener.close()


# A classic BPF program. Each step: (code, jump if true, jump if false, value).
_NO_SYN = (
    (0x30, 0, 0, 13),  # load the byte with the TCP flags
    (0x54, 0, 0, 0x12),  # keep SYN and ACK
    (0x15, 0, 1, 0x02),  # SYN without ACK: a new connection
    (0x06, 0, 0, 0),  # drop it
    (0x06, 0, 0, 0xFFFFFFFF),  # accept the whole packet
)
_SO_ATTACH_FILTER = 26  # Linux; missing in the module `socket`


def _drop_new_connections(listener: socket.socket) -> None:
    if listener.family == socket.AF_UNIX:
        Path(listener.getsockname()).unlink(missing_ok=True)
        return
    program = b"".join(struct.pack("HBBI", *step) for step in _NO_SYN)
    buffer = ctypes.create_string_buffer(program, len(program))
    option = struct.pack("HP", len(_NO_SYN), ctypes.addressof(buffer))
    with suppress(OSError):  # not Linux: connections of the last moment may be reset
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, option)


def _explain(error: OSError, host: str, port: int, options: tuple[str, str]) -> str:
    host_option, port_option = options
    if error.errno == errno.EADDRINUSE:
        return f"port {port} on {host} is in use; choose another with {port_option}"
    if error.errno == errno.EACCES:
        return f"port {port} is not permitted for this user; choose another with {port_option}"
    return (
        f"can't listen on {host} port {port}: {error.strerror}; see {host_option} and {port_option}"
    )
