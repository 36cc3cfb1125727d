"""The one listening socket that every API process inherits."""

import errno
import socket

from cli.errors import AddressError

BACKLOG = 2048


def listen(host: str, port: int) -> socket.socket:
    """Bind and listen; port 0 takes any free one. Raises `AddressError` with the remedy."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as error:
        raise AddressError(f"{host} is no address: {error.strerror}; see --host") from None
    listener = socket.socket(family, kind, protocol)
    try:
        # Else a restart would have to wait for the connections of the run before to time out.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise AddressError(_explain(error, host, port)) from None
    return listener


def port_of(listener: socket.socket) -> int:
    """The port it was given."""
    port: int = listener.getsockname()[1]
    return port


def url(host: str, port: int) -> str:
    """The address as a client writes it."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _explain(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} on {host} is in use; choose another with --port"
    if error.errno == errno.EACCES:
        return f"port {port} is not allowed for this user; choose another with --port"
    return f"can't listen on {host} port {port}: {error.strerror}; see --host and --port"
