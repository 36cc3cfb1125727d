"""Check an API or the workers. Standard library only: pydantic alone takes 0.2 s to import."""

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cli.health import supervisor_folder
from cli.health.supervisor_folder import SLOTS
from cli.health.worker_states import Health, WorkerStates, judge, states_in
from cli.process import readiness
from storage.metrics.slot_file import SlotFile, UnfitSlotFile

if TYPE_CHECKING:
    from ssl import SSLContext

_ANSWER_SECONDS = 3.0
_SHOWN_CHARACTERS = 300


@dataclass(frozen=True)
class Address:
    """Where an API listens. `ca`: what is trusted with `https`, None to verify nothing."""

    host: str
    port: int
    https: bool = False
    ca: str | None = None


def address_of(url: str, ca: str | None = None) -> Address:
    """Return the address in `http://HOST:PORT` or `https://HOST:PORT`."""
    parts = urlsplit(url)
    https = parts.scheme == "https"
    return Address(parts.hostname or "", parts.port or (443 if https else 80), https, ca)


def api_health(address: Address, path: str) -> Health:
    """Check that GET `path` of the API answers 200."""
    answer = readiness.probe(address.host, address.port, path, _ANSWER_SECONDS, _trusted(address))
    if answer is None:
        return Health(True, f"GET {path} answers 200")
    return Health(False, f"GET {path} on {address.host} port {address.port}: {_in_a_line(answer)}")


def _trusted(address: Address) -> "SSLContext | None":
    if not address.https:
        return None
    # Imported here: a probe of plain HTTP should not wait for `ssl`.
    from cli.tls_trust import trust

    return trust(address.ca, address.host)


def worker_health(supervisor: int | None) -> Health:
    """Check the workers of every supervisor of this user, or of the supervisor with this pid."""
    try:
        folders = supervisor_folder.running_folders()
        chosen = [folder for folder in folders if supervisor in (None, int(folder.name))]
        found = [states for folder in chosen if (states := _states(folder / SLOTS))]
    except (OSError, UnfitSlotFile) as error:
        return Health(False, f"can't find the workers of user {os.geteuid()}: {error}")
    if not any(each.wanted or each.states for each in found):
        return Health(False, f"no workers run as user {os.geteuid()}")
    all_workers = f"of user {os.geteuid()} on this machine"
    return judge(found, time.monotonic(), all_workers if supervisor is None else "of this run")


def _states(slots: Path) -> WorkerStates | None:
    try:
        file = SlotFile.open(slots)
    except FileNotFoundError:  # it has just begun, or ends
        return None
    try:
        return states_in(file.readings())
    finally:
        file.close()


def _in_a_line(answer: str) -> str:
    """Shorten an answer to a line. Of a readiness document show only the servers that are down."""
    status, _, body = answer.partition(" ")
    try:
        states = json.loads(body)["dependencies"].items()
        down = [f"{name}: {one['detail']}" for name, one in states if one["state"] != "up"]
        return f"{status}, {'; '.join(down)}"
    except (ValueError, TypeError, KeyError, AttributeError):
        return " ".join(answer.split())[:_SHOWN_CHARACTERS]
