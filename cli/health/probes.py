"""Check an API or the workers. Standard library only: pydantic alone takes 0.2 s to import."""

import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from cli.health import liveness_folder
from cli.process import readiness
from cli.quantities import counted, duration
from worker import liveness

STILL_SECONDS = 120.0  # without progress for this time, a worker is stuck
_ANSWER_SECONDS = 3.0
_SHOWN_CHARACTERS = 300


@dataclass(frozen=True)
class Address:
    """Where an API listens."""

    host: str
    port: int


@dataclass(frozen=True)
class Health:
    """The result of a check: healthy or not, and one line that says why."""

    healthy: bool
    detail: str


def address_of(url: str) -> Address:
    """Return the address in `http://HOST:PORT`."""
    parts = urlsplit(url)
    return Address(parts.hostname or "", parts.port or 80)


def api_health(address: Address, path: str) -> Health:
    """Check that GET `path` of the API answers 200."""
    answer = readiness.probe(address.host, address.port, path, _ANSWER_SECONDS)
    if answer is None:
        return Health(True, f"GET {path} answers 200")
    return Health(False, f"GET {path} on {address.host} port {address.port}: {_in_a_line(answer)}")


def worker_health(supervisor: int | None) -> Health:
    """Check the workers of every supervisor of this user, or of the supervisor with this pid."""
    try:
        folders = liveness_folder.running_folders()
    except FileNotFoundError:
        folders = []
    except OSError as error:
        return Health(False, f"can't find the workers of user {os.geteuid()}: {error}")
    chosen = [folder for folder in folders if supervisor in (None, int(folder.name))]
    files = [file for folder in chosen for file in sorted(folder.glob("worker-*[0-9]"))]
    if not files:
        return Health(False, f"no workers run as user {os.geteuid()}")
    all_workers = f"of user {os.geteuid()} on this machine"
    scope = all_workers if supervisor is None else "of this run"
    return _judge(files, time.monotonic(), scope)


def _judge(files: Sequence[Path], now: float, scope: str) -> Health:
    reports = [(file.name, liveness.read(file)) for file in files]
    problems = [problem for name, report in reports if (problem := _problem(name, report, now))]
    if problems:
        return Health(False, "; ".join(problems))
    activities = dict.fromkeys(report.activity for _, report in reports if report)
    return Health(
        True, f"healthy, {counted(len(files), 'worker')} {scope}: {', '.join(activities)}"
    )


def _problem(name: str, report: liveness.Progress | None, now: float) -> str | None:
    if report is None or report.activity == liveness.STARTING:
        return f"{name} has not started yet"
    if report.activity == liveness.REFUSED:
        return f"{name} is refused by control: a wrong password or a missing right"
    still = now - report.moved
    if still > STILL_SECONDS:
        return f"{name} has made no progress for {duration(still)} ({report.activity})"
    return None


def _in_a_line(answer: str) -> str:
    """Shorten an answer to a line. Of a readiness document show only the servers that are down."""
    status, _, body = answer.partition(" ")
    try:
        states = json.loads(body)["dependencies"].items()
        down = [f"{name}: {one['detail']}" for name, one in states if one["state"] != "up"]
        return f"{status}, {'; '.join(down)}"
    except (ValueError, TypeError, KeyError, AttributeError):
        return " ".join(answer.split())[:_SHOWN_CHARACTERS]
