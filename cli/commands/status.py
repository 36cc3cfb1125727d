"""`activity status`: what runs on a data folder, and how it is doing."""

import http.client
import json
import sys
import time
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

from cli import state
from cli.commands.options import add_data_dir, seconds
from cli.data_dir import data_folder
from cli.errors import NothingRuns, error_document
from cli.settings import load_settings
from cli.status_text import status_text

HELP = "show running processes, the backlog, and whether every event is accounted for"
EXAMPLES = (
    "activity status",
    "activity status --watch  # again every 2 seconds, until Ctrl-C",
    "activity status --json --data-dir /tmp/activity",
)

_ANSWER_SECONDS = 15.0
_WATCH_SECONDS = 2
_MIN_WATCH_SECONDS = 0.1
_CLEAR_SCREEN = "\x1b[H\x1b[2J"


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
        processes = [(process.role, process.pid) for process in self.processes]
        return status_text(self.url, self.service, processes, version("activity-service"))


def add(parser: ArgumentParser) -> None:
    """Describe the options."""
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--watch",
        type=_interval,
        nargs="?",
        const=_WATCH_SECONDS,
        metavar="SECONDS",
        help=f"print it every {_WATCH_SECONDS} seconds until Ctrl-C",
    )
    add_data_dir(parser, "folder of the run (ACTIVITY_DATA_DIR, .data)")


def _interval(text: str) -> float:
    """A type for an option: long enough that the watch does not become the load."""
    span = seconds(text)
    if span < _MIN_WATCH_SECONDS:
        raise ArgumentTypeError(f"{text!r} is less than {_MIN_WATCH_SECONDS} seconds")
    return span


def run(options: Namespace) -> int:
    """Print the report. Raises `NothingRuns`, which makes the exit status 1."""
    if options.watch is not None:
        return _watch(options)
    print(_said(options))
    return 0


def _watch(options: Namespace) -> int:
    """Until Ctrl-C, also while nothing runs: what is started then is seen."""
    before = "" if options.json or not sys.stdout.isatty() else _CLEAR_SCREEN
    with suppress(KeyboardInterrupt):
        while True:
            try:
                said = _said(options)
            except NothingRuns as error:
                said = json.dumps(error_document(error, 1)) if options.json else str(error)
            print(f"{before}{said}", flush=True)
            time.sleep(options.watch)
    return 0


def _said(options: Namespace) -> str:
    found = report(options.data_dir)
    return found.as_json() if options.json else found.as_text()


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
