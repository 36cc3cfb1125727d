"""Keep programs alive: restart those that end, and stop all of them on request."""

import logging
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol

from cli.errors import CliError
from cli.process.rolling_restart import RollingRestart
from cli.process.slots import SlotPool
from cli.process.spawn import has_ended, kill, spawn

log = logging.getLogger(__name__)

FIRST_BACKOFF = 0.2
MAX_BACKOFF = 5.0
SETTLED_SECONDS = 10.0  # after this uptime a process is restarted without backoff
TURN_SECONDS = 0.2


class Service(Protocol):
    """A program that a supervisor can keep alive."""

    @property
    def role(self) -> str:
        """Return the name for logs and reports."""
        ...

    def spawn(self) -> subprocess.Popen[bytes]:
        """Start the program and return at once.

        Raises `OSError` or `CliError` if it can't start now.
        """
        ...


@dataclass(frozen=True)
class Command:
    """One of our programs. `argv` starts with an absolute path.

    With `slots` the program knows `--slot`, and each of its processes gets a slot for its metrics.
    """

    role: str
    argv: Sequence[str]
    env: Mapping[str, str]
    pass_fds: Sequence[int] = ()
    slots: SlotPool | None = None

    def spawn(self) -> subprocess.Popen[bytes]:
        """Start the program and return at once. Raises `OSError`."""
        return self.slots.spawn(self.role, self._spawn) if self.slots else self._spawn()

    def _spawn(
        self, arguments: Sequence[str] = (), pass_fds: Sequence[int] = ()
    ) -> subprocess.Popen[bytes]:
        argv, fds = [*self.argv, *arguments], [*self.pass_fds, *pass_fds]
        return spawn(argv, self.env, pass_fds=fds, death_signal=signal.SIGTERM)

    def spawn_announced(self) -> tuple[subprocess.Popen[bytes], int]:
        """Start a program that knows `--ready-fd`, and return the descriptor to read from too."""
        reading, writing = os.pipe()
        argv = [*self.argv, "--ready-fd", str(writing)]
        try:
            return replace(self, argv=argv, pass_fds=(*self.pass_fds, writing)).spawn(), reading
        except OSError:
            os.close(reading)
            raise
        finally:
            os.close(writing)


def with_slots(commands: Sequence[Command], slots: SlotPool | None) -> list[Command]:
    """Return the commands so that their processes get slots for their metrics."""
    return [replace(command, slots=slots) for command in commands]


@dataclass
class _Slot:
    service: Service
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    ends: int = 0  # in a row, each before an uptime of SETTLED_SECONDS
    due: float = field(default=0.0)


@dataclass(frozen=True)
class _Replaced:
    """A process that has a successor and got SIGTERM."""

    process: subprocess.Popen[bytes]
    seconds: float
    since: float

    def is_gone(self) -> bool:
        """Return whether the process has ended. Kills it after its time limit."""
        if self.process.poll() is None and time.monotonic() >= self.since + self.seconds:
            _kill_late(self.process, self.seconds)
        return self.process.poll() is not None


class Supervisor:
    """A supervisor of one process per service.

    Call `turn` from the main thread every TURN_SECONDS or so.
    """

    def __init__(
        self, services: Sequence[Service], on_start: Callable[[str, int], None] | None = None
    ) -> None:
        """`on_start` is called with the role and pid of every started process."""
        self._slots = [_Slot(service) for service in services]
        self._on_start = on_start
        self._restart: RollingRestart | None = None
        self._replaced: list[_Replaced] = []

    def start(self) -> None:
        """Start every service."""
        self.turn()

    def adopt(self, processes: Sequence[subprocess.Popen[bytes]]) -> None:
        """Supervise processes that already run, given in the order of the services."""
        for slot, process in zip(self._slots, processes, strict=True):
            slot.process, slot.started = process, time.monotonic()

    def turn(self) -> None:
        """Restart processes that ended, once their backoff is over. Does not wait."""
        for slot in self._slots:
            if slot.process is not None and slot.process.poll() is not None:
                self._ended(slot, slot.process)
            if slot.process is None and time.monotonic() >= slot.due:
                self._start(slot)
        if self._restart is not None and self._restart.turn():
            self._restart = None
        self._replaced = [process for process in self._replaced if not process.is_gone()]

    def restart(self, seconds: float) -> None:
        """Replace every process with a new one during the next turns.

        All services must be `Command`s. A replaced process gets SIGTERM, then SIGKILL after
        `seconds`.
        """
        if self._restart is not None:
            return
        commands = [slot.service for slot in self._slots if isinstance(slot.service, Command)]
        self._restart = RollingRestart(commands, partial(self._replace, seconds))

    def pids(self) -> list[tuple[str, int]]:
        """Return role and pid of each process that was running at the last turn."""
        return [(slot.service.role, slot.process.pid) for slot in self._slots if slot.process]

    def stop(self, seconds: float) -> None:
        """Send SIGTERM to all, wait up to `seconds` in total, then SIGKILL those that still run."""
        if self._restart is not None:
            self._restart.cancel()
        running = [slot.process for slot in self._slots if slot.process]
        running += [replaced.process for replaced in self._replaced]
        for process in running:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + seconds
        for process in running:
            if not has_ended(process, max(0.0, deadline - time.monotonic())):
                _kill_late(process, seconds)
        for slot in self._slots:
            slot.process = None

    def _start(self, slot: _Slot) -> None:
        slot.started = time.monotonic()
        try:
            slot.process = slot.service.spawn()
        except (OSError, CliError) as error:
            log.warning("cannot start %s: %s", slot.service.role, error)
            self._postpone(slot)
            return
        if self._on_start:
            self._on_start(slot.service.role, slot.process.pid)

    def _replace(self, seconds: float, number: int, successor: subprocess.Popen[bytes]) -> None:
        slot = self._slots[number]
        if slot.process is not None:
            slot.process.send_signal(signal.SIGTERM)
            self._replaced.append(_Replaced(slot.process, seconds, time.monotonic()))
        slot.process, slot.started, slot.ends = successor, time.monotonic(), 0
        if self._on_start:
            self._on_start(slot.service.role, successor.pid)

    def _ended(self, slot: _Slot, process: subprocess.Popen[bytes]) -> None:
        slot.process = None
        self._postpone(slot)
        if slot.ends.bit_count() > 1:
            return  # log the 1st, 2nd, 4th, 8th end in a row, and so on
        log.warning(
            "%s (process %d) ended with %s%s; restarted",
            slot.service.role,
            process.pid,
            describe_end(process.returncode),
            f", {slot.ends} times in a row" if slot.ends > 1 else "",
        )

    def _postpone(self, slot: _Slot) -> None:
        now = time.monotonic()
        settled = now - slot.started >= SETTLED_SECONDS
        slot.ends = 1 if settled else slot.ends + 1
        slot.due = now + pause_after(slot.ends)


def _kill_late(process: subprocess.Popen[bytes], seconds: float) -> None:
    log.warning("process %d did not stop within %g s and was killed", process.pid, seconds)
    kill(process)


def pause_after(ends: int) -> float:
    """Return the seconds before the next start, after this many ends in a row."""
    return min(FIRST_BACKOFF * 2.0 ** min(ends - 1, 32), MAX_BACKOFF)


def describe_end(returncode: int) -> str:
    """Return `status 1`, or `SIGKILL` for a process that a signal ended."""
    if returncode >= 0:
        return f"status {returncode}"
    try:
        return signal.Signals(-returncode).name
    except ValueError:
        return f"signal {-returncode}"
