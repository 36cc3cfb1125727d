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
_KERNEL_REPORTS_DEATH = sys.platform == "linux"


@dataclass(frozen=True)
class Account:
    """A user to run a program as."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]

    def __str__(self) -> str:
        """Return the form that `launch.py` reads."""
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
    watch: bool = not _KERNEL_REPORTS_DEATH,
) -> subprocess.Popen[bytes]:
    """Start `argv` (its first item an absolute path) and return at once.

    The program gets `death_signal` when this process ends in any way, kill -9 included. It reads
    from `source` (default: nothing) and prints to `output` (default: our terminal).
    Raises `OSError` if no process can be created, and `RuntimeError` outside the main thread: on
    Linux a program gets its death signal when the *thread* that started it ends.
    """
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("start programs from the main thread: they die with their thread")
    watched = _lifeline() if watch else None
    launch_arguments = [
        str(os.getpid()),
        str(int(death_signal)),
        str(account or "-"),
        str(watched or "-"),
    ]
    return subprocess.Popen(  # noqa: S603 - a list of arguments, no shell
        [sys.executable, "-I", "-S", str(_LAUNCH), *launch_arguments, *argv],
        env=env,
        cwd=cwd,
        stdin=source or subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        pass_fds=(*pass_fds, *([watched] if watched else [])),
        # Ctrl-C in a terminal reaches only this process, which stops the others in order.
        start_new_session=True,
    )


@functools.cache
def _lifeline() -> int:
    """Return the read end of a pipe whose write end closes when this process ends."""
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
    """Kill the process with SIGKILL, and the program that `launch.py` watches; wait for its end."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
