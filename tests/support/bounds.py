"""Measure what a process uses while clients misbehave: memory, and time that others wait."""

import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from testbed.service import Service

GROWTH_BYTES = 64 * 1024 * 1024
PAUSE_UNITS = 50  # 2 CPU seconds where a unit takes 0.04
REFERENCE = b"[" + b"{}," * 100_000 + b"{}]"
LISTEN = "0A"  # a state in /proc/net/tcp


def resident(pid: int, name: str = "VmRSS") -> int:
    """Return bytes of a process: VmRSS now, or VmHWM, the peak since the last reset."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"no {name} of process {pid}")


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process: utime and stime of proc(5)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


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
    """A thread that asks for /health all the time and records the longest wait.

    A wait is measured as the CPU time that the process used in it, in seconds: by the clock, an
    answer also waits for other programs on the machine.
    """

    def __init__(self, running: Service, pid: int) -> None:
        self.worst = 0.0
        self.unit = unit_seconds()
        self._pid = pid
        self.answers = 0
        self.failures: list[str] = []
        self._url = running.url
        self._stop = threading.Event()
        self._began = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Probe":
        self._thread.start()
        assert self._began.wait(60)
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join(60)

    def _run(self) -> None:
        with httpx.Client(base_url=self._url, timeout=60, trust_env=False) as http:
            while not self._stop.is_set():
                before = cpu_seconds(self._pid)
                try:
                    status = http.get("/health").status_code
                except httpx.TransportError as error:
                    self.failures.append(repr(error))
                else:
                    self.answers += 1
                    if status != 200:
                        self.failures.append(str(status))
                self.worst = max(self.worst, cpu_seconds(self._pid) - before)
                self._began.set()
                self._stop.wait(0.01)


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
