"""Choose ports for the servers under test."""

import random
import socket

# Below the range of ports for outgoing connections: one of these could otherwise occupy the
# service's port while the service restarts.
_LOWEST, _HIGHEST = 20_000, 32_000
_TRIES = 100


def free_ports(count: int) -> list[int]:
    """Return different ports of 127.0.0.1 on which nobody listens."""
    found = (port for port in random.sample(range(_LOWEST, _HIGHEST), _TRIES) if _is_free(port))
    return [next(found) for _ in range(count)]


def _is_free(port: int) -> bool:
    with socket.socket() as plug:
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            plug.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
