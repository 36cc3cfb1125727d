"""Receive signals as flags, so that they never interrupt a sequence of steps."""

import os
import select
import signal
from types import FrameType, TracebackType
from typing import Self

from cli.errors import StopRequested


class StopSignals:
    """A context in which SIGINT, SIGTERM and SIGHUP only set `requested` and end a `wait`.

    SIGUSR1 sets `restart_requested`. The end of a child ends a `wait` too. Main thread only.
    """

    def __init__(self) -> None:
        self.requested = False
        self.restart_requested = False

    def __enter__(self) -> Self:
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._reading, False)
        os.set_blocking(self._writing, False)
        self._old_fd = signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
        self._old = {number: signal.signal(number, self._request) for number in _stop_signals()}
        self._old[signal.SIGUSR1] = signal.signal(signal.SIGUSR1, self._request_restart)
        self._old[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, _only_wake_up)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        for number, handler in self._old.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._old_fd)
        os.close(self._reading)
        os.close(self._writing)

    def wait(self, seconds: float) -> None:
        """Wait up to `seconds`, or until a signal comes."""
        if select.select([self._reading], [], [], seconds)[0]:
            os.read(self._reading, 4096)

    def pause(self, seconds: float) -> None:
        """Wait up to `seconds`. Raises `StopRequested` once a stop signal has come."""
        if not self.requested:
            self.wait(seconds)
        if self.requested:
            raise StopRequested

    def take_restart(self) -> bool:
        """Return whether a restart was requested since the last call."""
        requested, self.restart_requested = self.restart_requested, False
        return requested

    def _request(self, number: int, frame: FrameType | None) -> None:
        self.requested = True

    def _request_restart(self, number: int, frame: FrameType | None) -> None:
        self.restart_requested = True


def _stop_signals() -> list[signal.Signals]:
    # SIGINT must stop us even if a shell's `&` set it to ignored. An ignored SIGHUP comes from
    # `nohup` and stays ignored.
    handles_sighup = signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN
    return [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if handles_sighup else [])]


def _only_wake_up(number: int, frame: FrameType | None) -> None:
    """Do nothing: Python writes the wake-up byte only if a handler exists."""
