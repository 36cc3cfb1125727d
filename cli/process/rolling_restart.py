"""Replaces processes one after the other, without a moment in which nobody serves."""

import logging
import os
import select
import subprocess
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from cli.process.spawn import kill

log = logging.getLogger(__name__)

READY_SECONDS = 60.0


class Announced(Protocol):
    """A program that says when it serves."""

    def spawn_announced(self) -> tuple[subprocess.Popen[bytes], int]:
        """Start it; the descriptor can be read once it serves, or has ended. Raises `OSError`."""
        ...


class RollingRestart:
    """Starts a successor, waits until it serves, lets it replace the one before; then the next.

    A successor that ends, or does not serve in time, ends the whole restart: those that run stay.
    """

    def __init__(
        self, commands: Sequence[Announced], replace: Callable[[int, subprocess.Popen[bytes]], None]
    ) -> None:
        """`replace` is told the number of a command and its new process."""
        self._left = deque(enumerate(commands))
        self._replace = replace
        self._successor: subprocess.Popen[bytes] | None = None
        self._ready_fd = -1
        self._deadline = 0.0

    def turn(self) -> bool:
        """Go on without waiting; whether that was the last step."""
        if not self._left:
            log.warning("the rolling restart is complete")
            return True
        if self._successor is None:
            return not self._start()
        if select.select([self._ready_fd], [], [], 0)[0]:
            return not self._take_over(self._successor)
        if time.monotonic() < self._deadline:
            return False
        self._give_up(f"process {self._successor.pid} did not serve within {READY_SECONDS:g} s")
        return True

    def cancel(self) -> None:
        """Leave what runs as it is."""
        if self._successor is not None:
            kill(self._successor)
            self._forget()

    def _start(self) -> bool:
        try:
            self._successor, self._ready_fd = self._left[0][1].spawn_announced()
        except OSError as error:
            self._give_up(str(error))
            return False
        self._deadline = time.monotonic() + READY_SECONDS
        return True

    def _take_over(self, successor: subprocess.Popen[bytes]) -> bool:
        if not os.read(self._ready_fd, 1):
            self._give_up(f"process {successor.pid} ended before it served")
            return False
        self._forget()
        self._replace(self._left.popleft()[0], successor)
        return True

    def _give_up(self, why: str) -> None:
        log.error("the rolling restart was given up: %s; %d not restarted", why, len(self._left))
        self.cancel()

    def _forget(self) -> None:
        os.close(self._ready_fd)
        self._successor = None
