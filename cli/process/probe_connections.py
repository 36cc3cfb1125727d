"""The connections of a port for probes: at most so many, and a silent one keeps nobody out."""

import select
import socket
import threading
from contextlib import suppress

_POLL_SECONDS = 0.1  # between two looks for a silent one, if none has ended


class ProbeConnections:
    """The open connections. When all are taken, the oldest silent one makes room for a new one."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._open: set[socket.socket] = set()
        self._without_head: dict[socket.socket, None] = {}  # the oldest first
        self._changed = threading.Condition()

    def add(self, connection: socket.socket) -> None:
        """Add a connection, as soon as there is room."""
        with self._changed:
            while len(self._open) >= self._limit:
                self._end_oldest_silent()
                self._changed.wait(_POLL_SECONDS)
            self._open.add(connection)
            self._without_head[connection] = None

    def has_asked(self, connection: socket.socket) -> None:
        """Note that the head of the request is complete: from now on it stays until its answer."""
        with self._changed:
            self._without_head.pop(connection, None)

    def close(self, connection: socket.socket) -> None:
        """Remove a connection and close it."""
        with self._changed:
            self._without_head.pop(connection, None)
            self._open.discard(connection)
            self._changed.notify()
        connection.close()

    def _end_oldest_silent(self) -> None:
        """Wake the thread that reads it: it reads the end, and closes the connection."""
        oldest = next(filter(_is_silent, self._without_head), None)
        if oldest is not None:
            del self._without_head[oldest]
            with suppress(OSError):
                oldest.shutdown(socket.SHUT_RDWR)


def _is_silent(connection: socket.socket) -> bool:
    """Return whether nothing has come that its thread is yet to read."""
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return not poll.poll(0)
