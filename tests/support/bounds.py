"""Measure what a process uses while clients misbehave: memory, and time that others wait."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from testbed.service import Service
from tests.support import health_probe

GROWTH_BYTES = 64 * 1024 * 1024
PAUSE_UNITS = 25  # a CPU second where a unit takes 0.04
REFERENCE = b"[" + b"{}," * 100_000 + b"{}]"
LISTEN = "0A"  # a state in /proc/net/tcp


def resident(pid: int, name: str = "VmRSS") -> int:
    """Return bytes of a process: VmRSS now, or VmHWM, the peak since the last reset."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"no {name} of process {pid}")


def unit_seconds() -> float:
    """Return the CPU time of a fixed piece of work, which limits of CPU time are multiples of.

    A second of CPU is worth less on a slow machine, and where other programs share its caches.
    """
    before = time.process_time()
    for _ in range(10):
        json.loads(REFERENCE)
    return time.process_time() - before


def connections(running: Service) -> int:
    """Count the sockets of clients that the API process holds."""
    (api,) = running.apis
    port = f":{running.listener.getsockname()[1]:04X}"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    ours = {f"socket:[{row[9]}]" for row in rows if row[1].endswith(port) and row[3] != LISTEN}
    return sum(_link(fd) in ours for fd in Path(f"/proc/{api.pid}/fd").iterdir())


def _link(fd: Path) -> str:
    try:
        return str(fd.readlink())
    except FileNotFoundError:  # closed in the meantime
        return ""


class Probe:
    """The program of `health_probe.py` at work on a process, and in the end what it reports."""

    def __init__(self, running: Service, pid: int) -> None:
        self.unit = unit_seconds()
        port = running.listener.getsockname()[1]
        argv = [sys.executable, health_probe.__file__, str(port), str(pid)]
        self._program = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.worst = 0.0
        self.answers = 0
        self.failures: list[str] = []

    def __enter__(self) -> "Probe":
        assert self._program.stdout
        assert self._program.stdout.readline() == "began\n"
        return self

    def __exit__(self, *error: object) -> None:
        report = json.loads(self._program.communicate()[0])
        self.worst, self.answers, self.failures = (
            report["worst"],
            report["answers"],
            report["failures"],
        )


@contextmanager
def within_bounds(running: Service, growth_bytes: int = GROWTH_BYTES) -> Iterator[Probe]:
    """Assert that the API process keeps its memory and answers probes in time, in the block."""
    (api,) = running.apis
    Path(f"/proc/{api.pid}/clear_refs").write_text("5")  # reset the peak: proc(5)
    before = resident(api.pid)
    with Probe(running, api.pid) as probe:
        yield probe
    probe.unit = max(probe.unit, unit_seconds())
    growth = resident(api.pid, "VmHWM") - before
    print(f"grew by {growth / 1e6:.1f} MB, a probe waited for {probe.worst:.2f} s of CPU")
    assert api.poll() is None
    assert not probe.failures
    assert probe.answers
    assert probe.worst < PAUSE_UNITS * probe.unit
    assert growth < growth_bytes
