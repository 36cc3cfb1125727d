"""Make load with wrk, which is not the bottleneck: it replays prepared requests."""

import json
import resource
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_SCRIPT = Path(__file__).with_name("replay.lua")
_PATIENCE_SECONDS = 60


class LoadFailed(Exception):
    """wrk is missing, or could not measure."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request to replay."""

    method: str
    target: str
    body: bytes = b""
    content_type: str = "application/json"

    def frame(self) -> bytes:
        """Serialize the request in the form that `replay.lua` reads."""
        head = f"{self.method} {self.target} {self.content_type} {len(self.body)}\n"
        return head.encode() + self.body


@dataclass(frozen=True, slots=True)
class Load:
    """The result of one load. Times in milliseconds; `cpu_seconds` is wrk's own."""

    requests: int
    seconds: float
    refused: int
    broken: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    hits: int
    misses: int
    bypassed: int
    cpu_seconds: float

    @property
    def rate(self) -> float:
        """Return the successful answers a second."""
        return (self.requests - self.refused) / self.seconds


def require_wrk() -> str:
    """Return the path of wrk. Raises LoadFailed."""
    found = shutil.which("wrk")
    if found is None:
        raise LoadFailed(
            "wrk is missing, and nothing else here makes enough load: install it "
            "(Debian and Ubuntu: apt install wrk)"
        )
    return found


def write_requests(path: Path, requests: Iterable[Request]) -> Path:
    """Write the requests into a file to replay."""
    path.write_bytes(b"".join(request.frame() for request in requests))
    return path


class Wrk:
    """A running wrk."""

    def __init__(
        self,
        url: str,
        requests: Path,
        connections: int,
        seconds: float,
        rate: float | None = None,
        count_cache: bool = False,
        key: str | None = None,
    ) -> None:
        """Start wrk.

        `rate`: requests a second in all; without it as many as are answered. `key`: the value of
        the header Authorization.
        """
        wrk = f"{require_wrk()} -t 1 -c {connections} -d {round(seconds)}s --timeout 30s".split()
        wrk += ["-H", f"Authorization: {key}"] if key else []
        options = [f"rate={rate}"] if rate else []
        options += ["cache=1"] if count_cache else []
        self._before = _cpu_of_children()
        self.process = subprocess.Popen(
            [*wrk, "-s", str(_SCRIPT), url, "--", str(requests), *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def result(self) -> Load:
        """Wait for the end. Raises LoadFailed when wrk failed, or no connection lasted."""
        output, _ = self.process.communicate()
        lines = [line for line in output.splitlines() if line.startswith("result ")]
        if self.process.returncode or not lines:
            raise LoadFailed(f"wrk failed: {output.strip()[-500:]}")
        return _load(json.loads(lines[0][7:]), _cpu_of_children() - self._before)


def run(
    url: str,
    requests: Path,
    connections: int,
    seconds: float,
    rate: float | None = None,
    key: str | None = None,
) -> Load:
    """Run one load to its end. Raises LoadFailed, also for answers that are not 2xx."""
    load = Wrk(url, requests, connections, seconds, rate, key=key).result()
    if load.broken or load.refused > load.requests * 0.001:
        raise LoadFailed(f"{load.refused} refused, {load.broken} broken of {load.requests}")
    return load


def _load(found: dict[str, int], cpu_seconds: float) -> Load:
    return Load(
        requests=found["requests"],
        seconds=found["micros"] / 1e6,
        refused=found["refused"],
        broken=found["broken"],
        p50_ms=found["p50_us"] / 1000,
        p99_ms=found["p99_us"] / 1000,
        max_ms=found["max_us"] / 1000,
        hits=found["hits"],
        misses=found["misses"],
        bypassed=found["bypassed"],
        cpu_seconds=cpu_seconds,
    )


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
