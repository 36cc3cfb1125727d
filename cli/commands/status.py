"""`activity status`: the processes that run on a data folder, and how the service is doing."""

import http.client
import json
import sys
import time
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cli import state
from cli.commands.options import add_data_dir, add_json, add_tls_ca, seconds
from cli.data_dir import data_folder
from cli.errors import NothingRuns, error_document
from cli.exit_status import DONE, FAILED
from cli.service_request import Response, get
from cli.settings import load_settings
from cli.status_text import status_text
from cli.tls_trust import trust

HELP = "show running processes, the backlog, and whether every event is accounted for"
EXAMPLES = (
    "activity status  # exit status 0: the service answered, 1: nothing is known of it",
    "activity status --watch  # again every 2 seconds, until Ctrl-C",
    "activity status --json --data-dir /tmp/activity",
)

_OK = 200
_ANSWER_SECONDS = 15.0
_MAX_ANSWER_BYTES = 16 * 1024 * 1024
_NEEDS_KEY = (
    "GET /status answers {status}: an API key with the scope `observe` must be in ACTIVITY_KEY, or "
    "in the file that ACTIVITY_KEY_FILE names"
)
_NO_ANSWER = "no API process answers"
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
    """The whole report; its fields are the fields of the JSON form.

    `service` is the answer of GET /status, or None if there is none; then `refusal` says why.
    """

    url: str
    processes: Sequence[Process]
    service: dict[str, Any] | None
    refusal: str = _NO_ANSWER

    @property
    def exit_status(self) -> int:
        """Return 0 if the service said how it is, whatever it said."""
        return FAILED if self.service is None else DONE

    def as_json(self) -> str:
        """Return one line of JSON."""
        fields = asdict(self)
        del fields["refusal"]
        return json.dumps(fields)

    def as_text(self) -> str:
        """Return the report for people."""
        processes = [(process.role, process.pid) for process in self.processes]
        return status_text(
            self.url, self.service, processes, version("activity-service"), self.refusal
        )


def add(parser: ArgumentParser) -> None:
    """Describe the options."""
    add_json(parser)
    parser.add_argument(
        "--watch",
        type=_interval,
        nargs="?",
        const=_WATCH_SECONDS,
        metavar="SECONDS",
        help="repeat the report every SECONDS until Ctrl-C "
        f"(default {_WATCH_SECONDS}, at least {_MIN_WATCH_SECONDS})",
    )
    add_data_dir(parser, "data folder of the run (ACTIVITY_DATA_DIR, default .data)")
    add_tls_ca(parser)


def _interval(text: str) -> float:
    """Parse an interval that is long enough not to load the service."""
    interval = seconds(text)
    if interval < _MIN_WATCH_SECONDS:
        raise ArgumentTypeError(f"{text!r} is less than {_MIN_WATCH_SECONDS} seconds")
    return interval


def run(options: Namespace) -> int:
    """Print the report. Returns 0: the service answered, 1: it did not. Raises `NothingRuns`."""
    if options.watch is not None:
        return _watch(options)
    found = report(options.data_dir, options.tls_ca)
    print(_text(found, options))
    if found.service is None and options.json:
        print(f"activity: {found.refusal}", file=sys.stderr)
    return found.exit_status


def _watch(options: Namespace) -> int:
    """Repeat the report until Ctrl-C, also while nothing runs: a run may start at any time."""
    separator = ""
    with suppress(KeyboardInterrupt):
        while True:
            text = _report_or_error(options)
            if not options.json:
                text = f"{separator}{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC\n{text}"
                separator = "\n"
            clear = _CLEAR_SCREEN if sys.stdout.isatty() and not options.json else ""
            print(f"{clear}{text}", flush=True)
            time.sleep(options.watch)
    return 0


def _report_or_error(options: Namespace) -> str:
    try:
        return _text(report(options.data_dir, options.tls_ca), options)
    except NothingRuns as error:
        return json.dumps(error_document(error, FAILED)) if options.json else str(error)


def _text(found: Report, options: Namespace) -> str:
    return found.as_json() if options.json else found.as_text()


def report(data_dir: str | None, ca: str | None = None) -> Report:
    """Return the report of the run on the folder that the option or the settings name."""
    # Imported here: `--help` should not wait for urllib3.
    from cli.credentials import credentials

    settings = load_settings({"data_dir": data_dir, "tls_ca": ca})
    run_state = state.running(data_folder(settings))
    processes = [Process(role, pid) for role, pid in run_state.processes]
    answer = _ask(run_state.url, credentials(settings).headers(), settings.tls_ca)
    if answer is not None and answer.status in (401, 403):
        return Report(run_state.url, processes, None, _NEEDS_KEY.format(status=answer.status))
    if answer is not None and answer.status != _OK:
        return Report(run_state.url, processes, None, f"GET /status answers {answer.status}")
    return Report(run_state.url, processes, _document(answer))


def _ask(url: str, headers: Mapping[str, str], ca: Path | None) -> Response | None:
    """Return the response to GET /status, None if no API process gives one."""
    address = urlsplit(url)
    tls = trust(ca, address.hostname or "") if address.scheme == "https" else None
    host, port = address.hostname or "", address.port or http.client.HTTP_PORT
    try:
        return get(host, port, "/status", _ANSWER_SECONDS, _MAX_ANSWER_BYTES, headers, tls)
    except (OSError, http.client.HTTPException):
        return None


def _document(response: Response | None) -> dict[str, Any] | None:
    if response is None:
        return None
    try:
        document: dict[str, Any] = json.loads(response.body)
    except ValueError:
        return None
    return document
