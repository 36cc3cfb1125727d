"""Choose ports for the servers under test."""

import atexit
import random
import socket

# Below the range of ports for outgoing connections: one of these could otherwise occupy the
# service's port while the service restarts.
_LOWEST, _HIGHEST = 20_000, 32_000
_TRIES = 100

_HOST = "127.0.0.1"
_chosen: list[socket.socket] = []  # UDP sockets, open while the process lives


def free_ports(count: int) -> list[int]:
    """Return different ports of 127.0.0.1 on which nobody listens, and that nobody has chosen.

    Other processes that call this function choose other ports, also before a server listens.
    """
    found = (port for port in random.sample(range(_LOWEST, _HIGHEST), _TRIES) if _choose(port))
    return [next(found) for _ in range(count)]


def _choose(port: int) -> bool:
    chosen = socket.socket(type=socket.SOCK_DGRAM)
    try:
        chosen.bind((_HOST, port))
        with socket.socket() as plug:
            plug.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            plug.bind((_HOST, port))
    except OSError:
        chosen.close()
        return False
    _chosen.append(chosen)
    return True


@atexit.register
def _close() -> None:
    for each in _chosen:
        each.close()
