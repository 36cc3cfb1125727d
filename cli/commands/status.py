"""`activity status`: what runs on a data folder, and how it is doing."""

import http.client
import json
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlsplit

from cli import state
from cli.commands.options import add_data_dir
from cli.data_dir import data_folder
from cli.settings import load_settings

HELP = "list the processes of a running `activity up`, its backlog and its accounts"

_ANSWER_SECONDS = 15.0


@dataclass(frozen=True)
class Process:
    """One live process; role is api, worker, queue, control, postgres or supervisor."""

    role: str
    pid: int


@dataclass(frozen=True)
class Report:
    """All that `status` says; its fields are the JSON form's.

    `service`: the answer of GET /status, None when no API process gives one.
    """

    url: str
    processes: Sequence[Process]
    service: dict[str, Any] | None

    def as_json(self) -> str:
        return json.dumps(asdict(self))

    def as_text(self) -> str:
        rows = [f"{process.role:<12}{process.pid:>8}" for process in self.processes]
        return "\n".join([self.url, *rows, "", *_service_rows(self.service)])


def add(parser: ArgumentParser) -> None:
    """Describe the options."""
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_data_dir(parser, "folder of the run (ACTIVITY_DATA_DIR, .data)")


def run(options: Namespace) -> int:
    """Print the report. Raises `NothingRuns`, which makes the exit status 1."""
    found = report(options.data_dir)
    print(found.as_json() if options.json else found.as_text())
    return 0


def report(data_dir: str | None) -> Report:
    """What runs on the folder that the option or the settings name."""
    found = state.running(data_folder(load_settings({"data_dir": data_dir})))
    processes = [Process(role, pid) for role, pid in found.processes]
    return Report(found.url, processes, _ask(found.url))


def _ask(url: str) -> dict[str, Any] | None:
    """GET /status, past any proxy of the environment."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection(
        address.hostname or "", address.port, timeout=_ANSWER_SECONDS
    )
    try:
        connection.request("GET", "/status")
        response = connection.getresponse()
        answer: dict[str, Any] = json.loads(response.read())
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()
    return answer if response.status == 200 else None


def _service_rows(service: dict[str, Any] | None) -> list[str]:
    if service is None:
        return ["no API process answers"]
    accounts = service["conservation"] or {}
    names = ("accepted", "trimmed", "backlog", "queue_difference", "accounted", "underway")
    shown = {
        "backlog": _shown("{} events, {} bytes", service["backlog"], service["backlog_bytes"]),
        "lag": _shown("{:.1f} s", service["lag_seconds"]),
        "stored": _shown("{:.0f} a second", service["stored_per_second"]),
        "workers": service["workers"],
        "dead letters": service["dead_letters"],
        **{name.replace("_", " "): accounts.get(name) for name in names if name != "backlog"},
        "balanced": accounts.get("balanced"),
        "since": accounts.get("since"),
        "status": service["status"],
    }
    rows = [f"{name:<18}{'unknown' if value is None else value}" for name, value in shown.items()]
    return [*rows, *(f"  ! {text}" for text in service["attention"])]


def _shown(form: str, *values: float | None) -> str | None:
    """The values in that form; None where one is not known."""
    return None if None in values else form.format(*values)
