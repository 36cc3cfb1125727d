"""`activity status`: the processes that run on a data folder, and how the service is doing."""

import http.client
import json
import ssl
import sys
import time
from argparse import ArgumentTypeError, Namespace
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

from cli import state
from cli.commands.options import add_data_dir, add_json, add_tls_ca, seconds
from cli.data_dir import data_folder
from cli.errors import NothingRuns, error_document, message
from cli.exit_status import DONE, FAILED
from cli.parser import Parser
from cli.service_request import Response, get
from cli.settings import load_settings
from cli.status_text import status_text
from cli.tls_trust import trust

HELP = "show running processes, the backlog, and whether every event is accounted for"
EXAMPLES = (
    "activity status  # exit status 0: the service answered, 1: nothing is known of it",
    "activity status --watch  # again every 2 seconds, until Ctrl-C",
    "activity status --json --data-dir /tmp/activity",
    "activity status --url https://activity.example.com  # a service with servers of your own",
)

_OK = 200
_ANSWER_SECONDS = 15.0
_MAX_ANSWER_BYTES = 16 * 1024 * 1024
_NEEDS_KEY = (
    "GET /status answers {status}: an API key with the scope `observe` must be in ACTIVITY_KEY, or "
    "in the file that ACTIVITY_KEY_FILE names"
)
_NO_ANSWER = "no API process answers"
_NOT_OURS = "what answers there is no Activity Service"
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

    `processes`: None if they are unknown, as of a service that only its address names. `service` is
    the answer of GET /status, or None if there is none; then `refusal` says why.
    """

    url: str
    processes: Sequence[Process] | None
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
        processes = None
        if self.processes is not None:
            processes = [(one.role, one.pid) for one in self.processes]
        return status_text(
            self.url, self.service, processes, version("activity-service"), self.refusal
        )


def add(parser: Parser) -> None:
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
    parser.add_argument("--url", help="address of a service, in place of a run on this machine")
    add_tls_ca(parser)
    parser.exclude("--url", "--data-dir")


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
    found = _report(options)
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
        return _text(_report(options), options)
    except NothingRuns as error:
        return json.dumps(error_document(error, FAILED)) if options.json else str(error)


def _text(found: Report, options: Namespace) -> str:
    return found.as_json() if options.json else found.as_text()


def _report(options: Namespace) -> Report:
    # Imported here: `--help` should not wait for urllib3.
    from cli.credentials import credentials
    from cli.query.service import chosen_service

    if options.url:
        service = chosen_service(options)
        trusted = service.tls or ssl.create_default_context()
        return _of_service(service.url, service.credentials.headers(), trusted, None)
    settings = load_settings({"data_dir": options.data_dir, "tls_ca": options.tls_ca})
    run_state = state.running(data_folder(settings))
    processes = [Process(role, pid) for role, pid in run_state.processes]
    address = urlsplit(run_state.url)
    is_https = address.scheme == "https"
    tls = trust(settings.tls_ca, address.hostname or "") if is_https else None
    return _of_service(run_state.url, credentials(settings).headers(), tls, processes)


def _of_service(
    url: str,
    headers: Mapping[str, str],
    tls: ssl.SSLContext | None,
    processes: Sequence[Process] | None,
) -> Report:
    try:
        answer = _ask(url, headers, tls)
    except (OSError, http.client.HTTPException) as error:
        why = "" if processes is not None else f": {message(error) or type(error).__name__}"
        return Report(url, processes, None, f"{_NO_ANSWER}{why}")
    if answer.status in (401, 403):
        return Report(url, processes, None, _NEEDS_KEY.format(status=answer.status))
    if answer.status != _OK:
        return Report(url, processes, None, f"GET /status answers {answer.status}")
    return Report(url, processes, _document(answer), _NOT_OURS if processes is None else _NO_ANSWER)


def _ask(url: str, headers: Mapping[str, str], tls: ssl.SSLContext | None) -> Response:
    """Return the response to GET /status. Raises OSError, `http.client.HTTPException`."""
    address = urlsplit(url)
    is_https, host = address.scheme == "https", address.hostname or ""
    port = address.port or (http.client.HTTPS_PORT if is_https else http.client.HTTP_PORT)
    path = f"{address.path.rstrip('/')}/status"
    return get(
        host, port, path, _ANSWER_SECONDS, _MAX_ANSWER_BYTES, headers, tls if is_https else None
    )


def _document(response: Response) -> dict[str, Any] | None:
    try:
        document = json.loads(response.body)
    except ValueError:
        return None
    return document if isinstance(document, dict) and "status" in document else None
