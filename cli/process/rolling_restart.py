"""Replace processes one after the other, so that at every moment one of them serves."""

import logging
import os
import select
import subprocess
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from cli.process.spawn import kill
from cli.quantities import counted

log = logging.getLogger(__name__)

READY_SECONDS = 60.0


class Announced(Protocol):
    """A program that reports when it serves."""

    def spawn_announced(self) -> tuple[subprocess.Popen[bytes], int]:
        """Start the program. The descriptor becomes readable once it serves or has ended.

        Raises `OSError`.
        """
        ...


class RollingRestart:
    """A rolling restart: for each process start a successor, wait until it serves, then replace it.

    If a successor ends or does not serve in time, the restart ends and the other processes stay.
    """

    def __init__(
        self, commands: Sequence[Announced], replace: Callable[[int, subprocess.Popen[bytes]], None]
    ) -> None:
        """`replace` is called with the index of a command and its new process."""
        self._remaining = deque(enumerate(commands))
        self._replace = replace
        self._successor: subprocess.Popen[bytes] | None = None
        self._ready_fd = -1
        self._deadline = 0.0

    def turn(self) -> bool:
        """Do the next step without waiting. Returns whether it was the last one."""
        if not self._remaining:
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
        """Stop the successor that does not serve yet. Running processes stay."""
        if self._successor is not None:
            kill(self._successor)
            self._clear_successor()

    def _start(self) -> bool:
        try:
            self._successor, self._ready_fd = self._remaining[0][1].spawn_announced()
        except OSError as error:
            self._give_up(str(error))
            return False
        self._deadline = time.monotonic() + READY_SECONDS
        return True

    def _take_over(self, successor: subprocess.Popen[bytes]) -> bool:
        if not os.read(self._ready_fd, 1):
            self._give_up(f"process {successor.pid} ended before it served")
            return False
        self._clear_successor()
        self._replace(self._remaining.popleft()[0], successor)
        return True

    def _give_up(self, reason: str) -> None:
        remaining = counted(len(self._remaining), "process", "processes")
        log.error("the rolling restart was given up: %s; %s not restarted", reason, remaining)
        self.cancel()

    def _clear_successor(self) -> None:
        os.close(self._ready_fd)
        self._successor = None
