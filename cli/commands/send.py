"""`activity send`: send one event from options, or files, or standard input."""

from argparse import SUPPRESS, ArgumentParser, BooleanOptionalAction, Namespace, _ArgumentGroup

from cli.commands.options import add_json, add_tls_ca, delimiter, seconds, whole_number
from cli.errors import UsageError
from cli.parser import Parser
from cli.settings import load_settings, option_name

HELP = "send one event, or files with one JSON event on each line or of CSV"
EXAMPLES = (
    "activity send events.ndjson  # after an interruption or a correction, run it again",
    "activity send events.ndjson --rejected rejected.ndjson",
    "gzip -dc events.ndjson.gz | activity send -",
    "activity send events.csv 'more/*.csv' --map user=email",
    "activity send --component billing --environment test --message 'A test'",
)

_EVENT = ("component", "environment", "message", "email", "data", "occurred_at")
_INPUT = (
    *("batch", "rejected", "checkpoint", "restart", "continue_anyway", "skip_lines", "run_id"),
    *("format", "map", "from_export", "delimiter"),
)
FORMATS = ("ndjson", "csv")
_REQUIRED = 3  # the first fields of an event
_MAX_BATCH_LINES, _MAX_CONNECTIONS, _MAX_SKIPPED_LINES = 10_000, 64, 10**18


def add(parser: Parser) -> None:
    """Describe the options."""
    parser.add_argument(
        "files",
        metavar="FILE",
        nargs="*",
        help="file of NDJSON or CSV, or a pattern ('logs/*.ndjson'); - reads standard input",
    )
    add_service(parser)
    _add_event(parser)
    add_input(parser, "send")


def add_service(parser: ArgumentParser) -> None:
    """Describe the options for the service, and for the output."""
    parser.add_argument(
        "--url", help="address of the service (ACTIVITY_URL, default http://127.0.0.1:5000)"
    )
    add_tls_ca(parser)
    add_json(parser)
    parser.add_argument(
        "--give-up",
        type=seconds,
        metavar="SECONDS",
        help="give up after SECONDS without an answer from the service (default: never)",
    )


def _add_event(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("one event")
    group.add_argument("--component", help="part of the system that the event is about (required)")
    group.add_argument("--environment", help="environment, such as production (required)")
    group.add_argument("--message", help="message of the event (required)")
    group.add_argument("--email", help="email address of the person concerned (default: none)")
    group.add_argument("--data", metavar="JSON", help="any other content as JSON (default: none)")
    group.add_argument(
        "--occurred-at",
        metavar="INSTANT",
        help="when it happened, such as 2026-04-16T14:30:00+02:00 (default: not said)",
    )


def add_input(parser: Parser, verb: str) -> None:
    """Describe the options for files and standard input; `verb` is the name of the command."""
    group = parser.add_argument_group(
        "files or standard input",
        "After an interruption of any kind, run the same command again. Each line is stored once.\n"
        "After correcting rejected lines in FILE, or adding lines at its end, run it again too:\n"
        f"it {verb}s only lines that were not accepted. A finished run is remembered for 30 days.",
    )
    group.add_argument(
        "--format",
        choices=FORMATS,
        help="form of the input (default: csv for a FILE named *.csv, else ndjson)",
    )
    group.add_argument(
        "--map",
        action="append",
        metavar="SOURCE=TARGET[:TYPE]",
        help="the field SOURCE of the input is the field TARGET of the event (may be repeated); "
        "a.b is a field within a; with nothing after = SOURCE is left out; TYPE number, json or "
        "text converts the value (amount=data.amount:number; cells of CSV are texts otherwise)",
    )
    group.add_argument(
        "--delimiter",
        type=delimiter,
        metavar="CHARACTER",
        help="what parts the cells of CSV: one character, or tab (default: a comma)",
    )
    group.add_argument(
        "--from-export",
        action=BooleanOptionalAction,
        help="the CSV is an export of the service: take off the apostrophes that it put before "
        "formulas (default: if the file has the header of an export with all columns)",
    )
    _add_speed(group)
    _add_progress(group, verb)
    parser.exclude("--continue-anyway", "--restart")


def _add_speed(group: _ArgumentGroup) -> None:
    group.add_argument(
        "--batch",
        type=whole_number(1, _MAX_BATCH_LINES),
        metavar="LINES",
        help=f"lines in one request (default 1000, at most {_MAX_BATCH_LINES})",
    )
    group.add_argument(
        "--connections",
        type=whole_number(1, _MAX_CONNECTIONS),
        metavar="N",
        help=f"parallel connections (default 2, at most {_MAX_CONNECTIONS}); 1 keeps the order",
    )


def _add_progress(group: _ArgumentGroup, verb: str) -> None:
    group.add_argument(
        "--rejected",
        metavar="FILE",
        help="write rejected lines to FILE and the reasons to FILE.reasons (default: only show 20)",
    )
    group.add_argument(
        "--checkpoint",
        metavar="FILE",
        help=f"store the progress in FILE (default: below $XDG_STATE_HOME/activity-service/{verb})",
    )
    group.add_argument(
        "--restart",
        action="store_true",
        help=f"forget earlier runs of the file and {verb} all of it",
    )
    group.add_argument(
        "--continue-anyway",
        action="store_true",
        help="continue a run that is over 23 hours old or had another API key; a few lines may "
        "then be stored twice"
        if verb == "send"
        else SUPPRESS,
    )
    group.add_argument(
        "--skip-lines",
        type=whole_number(0, _MAX_SKIPPED_LINES),
        metavar="N",
        help="skip the first N lines of standard input (default 0)",
    )
    group.add_argument(
        "--run-id", metavar="ID", help="continue the interrupted run of standard input with this ID"
    )


def run(options: Namespace) -> int:
    """Send. Returns 0: all accepted, 1: some rejected or not sent, 130: interrupted."""
    # Imported here: `--help` should not wait for urllib3 and tqdm.
    from cli.credentials import credentials
    from cli.send.command import Service, send_event, send_input

    _check(options)
    settings = load_settings({"url": options.url, "tls_ca": options.tls_ca})
    send = send_input if options.files else send_event
    return send(Service(settings.url, credentials(settings), settings.tls_ca), options)


def _check(options: Namespace) -> None:
    """Raise `UsageError` for options that exclude each other."""
    of_event = [name for name in _EVENT if getattr(options, name) is not None]
    of_input = [name for name in (*_INPUT, "connections") if getattr(options, name)]
    if options.files and of_event:
        raise UsageError(f"{option_name(of_event[0])} is for one event: give it or FILE, not both")
    if not options.files and of_input:
        raise UsageError(f"{option_name(of_input[0])} needs a FILE (- reads standard input)")
    missing = [option_name(name) for name in _EVENT[:_REQUIRED] if name not in of_event]
    if not options.files and missing:
        needed = ", ".join(map(option_name, _EVENT[:_REQUIRED]))
        raise UsageError(
            f"one event needs {needed} (missing: {', '.join(missing)}); or name a FILE to send"
        )
