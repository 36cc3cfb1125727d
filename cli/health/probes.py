"""The checks of `activity health`. Standard library only, so that a probe takes no 0.3 s."""

import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from cli.health import liveness_folder
from cli.process import readiness
from worker import liveness

STILL_SECONDS = 120.0  # a worker that has not moved for so long is stuck
_ANSWER_SECONDS = 3.0
_SHOWN_CHARACTERS = 300


@dataclass(frozen=True)
class Address:
    """Where an API listens."""

    host: str
    port: int


@dataclass(frozen=True)
class Health:
    """What a check found: healthy or not, and one line that says why."""

    healthy: bool
    detail: str


def address_of(url: str) -> Address:
    """Return the address in `http://HOST:PORT`."""
    parts = urlsplit(url)
    return Address(parts.hostname or "", parts.port or 80)


def api_health(address: Address, path: str) -> Health:
    """Ask the API that listens there for `path`."""
    answer = readiness.probe(address.host, address.port, path, _ANSWER_SECONDS)
    if answer is None:
        return Health(True, f"GET {path} answers 200")
    return Health(False, f"GET {path} on {address.host} port {address.port}: {_in_a_line(answer)}")


def worker_health(supervisor: int | None) -> Health:
    """Look at the workers of each supervisor of this user, or of the one with that pid."""
    try:
        folders = liveness_folder.running_folders()
    except FileNotFoundError:
        folders = []
    except OSError as error:
        return Health(False, f"cannot see the workers of user {os.geteuid()}: {error}")
    chosen = [folder for folder in folders if supervisor in (None, int(folder.name))]
    files = [file for folder in chosen for file in sorted(folder.glob("worker-*[0-9]"))]
    if not files:
        return Health(False, f"no workers run as user {os.geteuid()}")
    everyone = f"of user {os.geteuid()} on this machine"
    whose = everyone if supervisor is None else "of this run"
    return _judge(files, time.monotonic(), whose)


def _judge(files: Sequence[Path], now: float, whose: str) -> Health:
    signs = [(file.name, liveness.read(file)) for file in files]
    faults = [fault for name, sign in signs if (fault := _fault(name, sign, now))]
    if faults:
        return Health(False, "; ".join(faults))
    activities = dict.fromkeys(sign.activity for _, sign in signs if sign)
    count = "1 worker" if len(files) == 1 else f"{len(files):,} workers"
    return Health(True, f"healthy, {count} {whose}: {', '.join(activities)}")


def _fault(name: str, sign: liveness.Progress | None, now: float) -> str | None:
    if sign is None or sign.activity == liveness.STARTING:
        return f"{name} has not started yet"
    if sign.activity == liveness.REFUSED:
        return f"{name} is refused by control: a wrong password or a missing right"
    still = now - sign.moved
    if still > STILL_SECONDS:
        return f"{name} has not moved for {still:.0f} s ({sign.activity})"
    return None


def _in_a_line(answer: str) -> str:
    """Shorten an answer; of a readiness document, show only what is not up."""
    status, _, body = answer.partition(" ")
    try:
        states = json.loads(body)["dependencies"].items()
        down = [f"{name}: {one['detail']}" for name, one in states if one["state"] != "up"]
        return f"{status}, {'; '.join(down)}"
    except (ValueError, TypeError, KeyError, AttributeError):
        return " ".join(answer.split())[:_SHOWN_CHARACTERS]
