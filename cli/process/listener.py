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
EVERY, EVERY_IPV4 = "::", "0.0.0.0"  # noqa: S104 - only when it is asked for
_NO_IPV6 = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)
QUIET_SECONDS = 0.25  # without a waiting connection: the handshakes under way have ended
STOP_SECONDS = 2.0  # at most: nobody may be left who accepts
_POLL_SECONDS = 0.01


def listen(host: str, port: int) -> socket.socket:
    """Bind and listen; port 0 takes any free one. Raises `AddressError` with the remedy.

    `::` is every address of the machine: those of IPv4 too, or alone where it has no IPv6.
    """
    try:
        return _bound(host, port)
    except socket.gaierror as error:
        raise AddressError(f"{host} is no address: {error.strerror}; see --host") from None
    except OSError as error:
        if host == EVERY and error.errno in _NO_IPV6:
            return listen(EVERY_IPV4, port)
        raise AddressError(_explain(error, host, port)) from None


def _bound(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        # Else a restart would have to wait for the connections of the run before to time out.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, host != EVERY)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def host_of(listener: socket.socket, host: str) -> str:
    """Where it listens, when `host` was asked for."""
    return EVERY_IPV4 if host == EVERY and listener.family == socket.AF_INET else host


def port_of(listener: socket.socket) -> int:
    """The port it was given."""
    port: int = listener.getsockname()[1]
    return port


def url(host: str, port: int) -> str:
    """The address as a client writes it."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def stop_listening(listener: socket.socket) -> None:
    """Close it once the API processes have accepted every connection that was made.

    The kernel resets what waits on a listening socket when that is closed, whatever its client
    has sent by then. So first no new connection is let in: its client tries again, and is refused.
    """
    _let_no_more_in(listener)
    last = quiet_since = time.monotonic()
    end = last + STOP_SECONDS
    while last < min(quiet_since + QUIET_SECONDS, end):
        if select.select([listener], [], [], 0)[0]:
            quiet_since = last
        time.sleep(_POLL_SECONDS)
        last = time.monotonic()
    listener.close()


# A classic BPF program: (code, jump if true, jump if false, value) each.
_NO_SYN = (
    (0x30, 0, 0, 13),  # load the byte of TCP's flags
    (0x54, 0, 0, 0x12),  # of these, SYN and ACK
    (0x15, 0, 1, 0x02),  # only SYN: a new connection
    (0x06, 0, 0, 0),  # drop it
    (0x06, 0, 0, 0xFFFFFFFF),  # take it, whole
)
_SO_ATTACH_FILTER = 26  # Linux; the module `socket` does not name it


def _let_no_more_in(listener: socket.socket) -> None:
    if listener.family == socket.AF_UNIX:
        Path(listener.getsockname()).unlink(missing_ok=True)
        return
    program = b"".join(struct.pack("HBBI", *step) for step in _NO_SYN)
    kept = ctypes.create_string_buffer(program, len(program))
    option = struct.pack("HP", len(_NO_SYN), ctypes.addressof(kept))
    with suppress(OSError):  # not Linux: what comes in the last moment may be reset
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, option)


def _explain(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} on {host} is in use; choose another with --port"
    if error.errno == errno.EACCES:
        return f"port {port} is not allowed for this user; choose another with --port"
    return f"can't listen on {host} port {port}: {error.strerror}; see --host and --port"
