"""Write lines to a descriptor, without ever blocking or failing the process that logs.

A line is lost if its reader does not read, or if the disk is full. The next line that can be
written says how many.
"""

import os
import select
import socket
import stat
from contextlib import suppress

_END_SECONDS = 0.05  # for the rest of a line of which a pipe took only a part


class Output:
    """Lines for one descriptor: a file that is appended to, a pipe, a terminal, or a socket.

    Each line is one call of the system, so that the lines of several processes do not mix.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor, self._is_socket, self._polls = _without_waiting(descriptor)
        self._lost = 0
        self._is_torn = False

    @property
    def lost(self) -> int:
        """Return how many lines were lost since the last call of `forget_lost`."""
        return self._lost

    def forget_lost(self) -> None:
        """Count from 0 again."""
        self._lost = 0

    def write(self, line: str) -> bool:
        """Write the line and a line end, or lose it; return whether it was written."""
        start = b"\n" if self._is_torn else b""
        data = start + line.encode(errors="backslashreplace") + b"\n"
        written = self._send(data)
        while 0 < written < len(data) and self._can_go_on():
            more = self._send(data[written:])
            written = written + more if more else -1
        if written == len(data):
            self._is_torn = False
            return True
        self._is_torn = self._is_torn or written != 0
        self._lost += 1
        return False

    def _send(self, data: bytes) -> int:
        """Return the number of bytes that were written: 0 if none can be written now."""
        if self._polls:
            if not self._can_go_on(0):
                return 0
            data = data[: select.PIPE_BUF]  # a pipe that is ready has room for so many
        with suppress(OSError):
            if self._is_socket:
                with socket.socket(fileno=os.dup(self._descriptor)) as peer:
                    return peer.send(data, socket.MSG_DONTWAIT)
            return os.write(self._descriptor, data)
        return 0

    def _can_go_on(self, seconds: float = _END_SECONDS) -> bool:
        ready = select.poll()
        ready.register(self._descriptor, select.POLLOUT)
        return bool(ready.poll(seconds * 1000))


def _without_waiting(descriptor: int) -> tuple[int, bool, bool]:
    """Return a descriptor whose writes do not wait, whether it is a socket, and whether to poll.

    `O_NONBLOCK` belongs to what was opened, which others share: a shell's terminal, say. So a pipe
    or a terminal is opened a second time. Where the system can't do that, poll before each write.
    """
    try:
        mode = os.fstat(descriptor).st_mode
    except OSError:  # closed; what is opened next may get its number
        return os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC), False, False
    try:
        if stat.S_ISREG(mode) or stat.S_ISSOCK(mode):
            return descriptor, stat.S_ISSOCK(mode), False
        flags = os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        return os.open(f"/proc/self/fd/{descriptor}", flags), False, False
    except OSError:
        return descriptor, False, True
