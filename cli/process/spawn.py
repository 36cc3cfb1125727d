"""Start a program that dies with this process, in a session of its own."""

import functools
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

_LAUNCH = Path(__file__).with_name("launch.py")
_KERNEL_TELLS = sys.platform == "linux"


@dataclass(frozen=True)
class Account:
    """A user to run a program as."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]

    def __str__(self) -> str:
        """As `launch.py` reads it."""
        return f"{self.uid}:{self.gid}:{','.join(map(str, self.groups))}"


def spawn(
    argv: Sequence[str],
    env: Mapping[str, str],
    *,
    pass_fds: Sequence[int] = (),
    death_signal: signal.Signals = signal.SIGTERM,
    account: Account | None = None,
    cwd: Path | None = None,
    source: IO[bytes] | None = None,
    output: IO[bytes] | None = None,
    watch: bool = not _KERNEL_TELLS,
) -> subprocess.Popen[bytes]:
    """Start `argv` (its first item an absolute path) and return at once.

    It gets `death_signal` when this process ends in whatever way, kill -9 included. It reads
    `source` (nothing without it); `output` takes what it prints (our terminal without it).
    Raises `OSError` when no process can be made, `RuntimeError` off the main thread: Linux
    takes the end of the *thread* that started a program for the parent's death.
    """
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("start programs from the main thread: they die with their thread")
    watched = _life_line() if watch else None
    before = [str(os.getpid()), str(int(death_signal)), str(account or "-"), str(watched or "-")]
    return subprocess.Popen(  # noqa: S603 - a list of arguments, no shell
        [sys.executable, "-I", "-S", str(_LAUNCH), *before, *argv],
        env=env,
        cwd=cwd,
        stdin=source or subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        pass_fds=(*pass_fds, *([watched] if watched else [])),
        # A terminal's Ctrl-C reaches only us, and we stop the others in our order.
        start_new_session=True,
    )


@functools.cache
def _life_line() -> int:
    """The read end of a pipe whose write end closes exactly when this process ends."""
    reading, _writing = os.pipe()
    return reading


def end(process: subprocess.Popen[bytes], how: signal.Signals, seconds: float) -> bool:
    """Send a signal, wait up to `seconds`, and return whether the process has ended."""
    if process.poll() is None:
        process.send_signal(how)
    return has_ended(process, seconds)


def has_ended(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Wait up to `seconds`, and return whether the process has ended."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def kill(process: subprocess.Popen[bytes]) -> None:
    """kill -9, the program behind a watching `launch.py` included; returns when it is gone."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
