"""Keep the results of a run as JSON, and load the last committed ones for comparison."""

import os
import platform
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from benchmarks.figures import Part
from benchmarks.rounds import Spread

PEERS = Path("benchmarks/results/peers.json")
"""What the last run beside the peers has read."""

Details = dict[str, dict[str, dict[str, float]]]


class Results(msgspec.Struct, frozen=True):
    """Everything that a run has measured."""

    commit: str
    day: str
    quick: bool
    seconds: float
    machine: dict[str, str]
    figures: dict[str, Spread]
    unmeasured: dict[str, str]
    details: Details


def gather(
    parts: Iterable[Part], quick: bool, seconds: float, day: str, unmeasured: Mapping[str, str]
) -> Results:
    """Collect the parts of one run."""
    parts = list(parts)
    found = {figure.key: figure.value for part in parts for figure in part.figures}
    missing = dict(unmeasured)
    for part in parts:
        missing.update(part.unmeasured)
    return Results(
        commit=_git("rev-parse", "--short", "HEAD"),
        day=day,
        quick=quick,
        seconds=round(seconds),
        machine=machine(),
        figures=found,
        unmeasured={key: why for key, why in missing.items() if key not in found},
        details={part.name: {k: dict(v) for k, v in part.details.items()} for part in parts},
    )


def write(path: Path, results: Results) -> None:
    """Write the results in a form that gives readable diffs."""
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(_rounded(results)), indent=1) + b"\n")


def read(path: Path) -> Results:
    """Read the file that `write` made. Raises OSError, msgspec.ValidationError."""
    return msgspec.json.decode(path.read_bytes(), type=Results)


def last_committed(path: Path) -> Results | None:
    """Return the results in that file as of the last commit, or None."""
    text = _git("show", f"HEAD:./{path.as_posix()}")
    try:
        return msgspec.json.decode(text, type=Results) if text else None
    except msgspec.DecodeError:
        return None


def machine() -> dict[str, str]:
    """Describe the machine, as far as figures depend on it."""
    return {
        "processor": _line("/proc/cpuinfo", "model name"),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{int(_line('/proc/meminfo', 'MemTotal').split()[0]) / 2**20:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def _line(path: str, name: str) -> str:
    for line in Path(path).read_text().splitlines():
        if line.startswith(name):
            return line.partition(":")[2].strip()
    return "unknown"


def _git(*arguments: str) -> str:
    found = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    return found.stdout.strip() if found.returncode == 0 else ""


def _rounded(value: object) -> object:
    """Round to four digits: more have no meaning on a shared machine."""
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    return value if isinstance(value, str | int | bool) else _rounded(msgspec.to_builtins(value))
