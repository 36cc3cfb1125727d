"""Start API processes and workers: each as a Python of its own, or as a fork of a preloaded one."""

import json
import os
import select
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from testbed.preloaded import STATUS_BYTES

START_SECONDS = 120  # until a preloaded process has imported its module


def start(
    module: str, env: Mapping[str, str], listener: int | None, log: int | None
) -> "subprocess.Popen[bytes]":
    """Start `python -m MODULE`, with `--fd` if it inherits a listening socket."""
    inherited = [] if listener is None else [listener]
    if _preloading is not None and _others(env) == _preloading.others:
        return _preloading.start(module, env, inherited, log)
    command = [sys.executable, "-m", module, *(f"--fd={each}" for each in inherited)]
    return subprocess.Popen(command, env=env, pass_fds=inherited, stderr=log)


class Forked(subprocess.Popen[bytes]):
    """A process that a preloaded one has forked: not our child, so we are told of its end."""

    def __init__(self, args: list[str], status: int) -> None:
        self.args = args
        self.stdin = self.stdout = self.stderr = None
        self.returncode: int | None = None
        self._status = status
        self.pid = self._next(START_SECONDS) or 0
        assert self.pid, f"not started: {args}"

    def poll(self) -> int | None:
        """Return the exit status, or None while it runs."""
        return self._ended(0)

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit status once it has ended."""
        ended = self._ended(timeout)
        if ended is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return ended

    def _ended(self, seconds: float | None) -> int | None:
        if self.returncode is None:
            status = self._next(seconds)
            if status is not None:
                os.close(self._status)
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def _next(self, seconds: float | None) -> int | None:
        if not select.select([self._status], [], [], seconds)[0]:
            return None
        data = os.read(self._status, STATUS_BYTES)
        assert len(data) == STATUS_BYTES, f"nobody watches {self.args!r} any more"
        return int.from_bytes(data, "big")


class _Preloading:
    """The preloaded processes, one for each module, from its first start on."""

    def __init__(self) -> None:
        self.others = _others(os.environ)
        self._running: dict[str, tuple[socket.socket, subprocess.Popen[bytes]]] = {}

    def start(
        self, module: str, env: Mapping[str, str], inherited: list[int], log: int | None
    ) -> Forked:
        request = json.dumps({"variables": dict(env), "folder": os.getcwd()}).encode()
        told, tells = os.pipe()
        try:
            files = [tells, 1, 2 if log is None else log, *inherited]
            socket.send_fds(self._of(module), [request], files)
        finally:
            os.close(tells)
        return Forked([sys.executable, "-m", module], told)

    def _of(self, module: str) -> socket.socket:
        if module not in self._running:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                fd = theirs.fileno()
                command = [sys.executable, "-m", "testbed.preloaded", str(fd), module]
                self._running[module] = ours, subprocess.Popen(command, pass_fds=[fd])
        return self._running[module][0]

    def end(self) -> None:
        for requests, process in self._running.values():
            requests.close()
            process.wait(START_SECONDS)


_preloading: _Preloading | None = None


@contextmanager
def preloading() -> Iterator[None]:
    """Start processes as forks of preloaded ones during the block.

    A process whose variables differ from ours in more than the settings is started by itself all
    the same: libraries may read theirs when they are imported.
    """
    global _preloading
    outer, inner = _preloading, _Preloading()
    _preloading = inner
    try:
        yield
    finally:
        _preloading = outer
        inner.end()


def _others(variables: Mapping[str, str]) -> dict[str, str]:
    """Return what is no setting, and does not say which test is running."""
    ours = ("ACTIVITY_", "PYTEST_CURRENT_TEST")
    return {k: v for k, v in variables.items() if not k.startswith(ours)}
