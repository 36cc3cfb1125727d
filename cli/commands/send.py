"""`activity send`: events from options, a file, or standard input."""

from argparse import ArgumentParser, Namespace

from cli.commands.options import add_json, seconds, whole_number
from cli.errors import UsageError
from cli.settings import load_settings, option_name

HELP = "send one event, or a file with one JSON event a line"
EXAMPLES = (
    "activity send events.ndjson  # interrupted or with corrected lines: run it again",
    "activity send events.ndjson --rejected rejected.ndjson",
    "gzip -dc events.ndjson.gz | activity send -",
    "activity send --component billing --environment test --message 'A test'",
)

_EVENT = ("component", "environment", "message", "email", "data")
_INPUT = ("batch", "rejected", "checkpoint", "restart", "continue_anyway", "skip_lines", "run_id")
_REQUIRED = 3  # of an event
_MAX_LINES, _MAX_CONNECTIONS, _ANY = 10_000, 64, 10**18


def add(parser: ArgumentParser) -> None:
    """Describe the options."""
    parser.add_argument("file", metavar="FILE", nargs="?", help="NDJSON; - is standard input")
    parser.add_argument("--url", help="the service (ACTIVITY_URL, http://127.0.0.1:5000)")
    add_json(parser)
    parser.add_argument(
        "--give-up", type=seconds, metavar="SECONDS", help="give up after SECONDS without progress"
    )
    _add_event(parser)
    _add_input(parser)


def _add_event(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("one event")
    group.add_argument("--component")
    group.add_argument("--environment")
    group.add_argument("--message")
    group.add_argument("--email")
    group.add_argument("--data", metavar="JSON")


def _add_input(parser: ArgumentParser) -> None:
    group = parser.add_argument_group(
        "a file or standard input",
        "After an interruption of any kind, run the same command again: each line is stored once.\n"
        "After correcting rejected lines in place too: only what was not accepted is sent. Of a\n"
        "file that was sent whole only added lines are sent; this is remembered for 30 days.",
    )
    group.add_argument(
        "--batch", type=whole_number(1, _MAX_LINES), metavar="LINES", help="sent at once (1000)"
    )
    group.add_argument(
        "--connections",
        type=whole_number(1, _MAX_CONNECTIONS),
        metavar="N",
        help="in parallel (2)",
    )
    group.add_argument(
        "--rejected",
        metavar="FILE",
        help="write rejected lines there, ready to be corrected and sent; reasons to FILE.reasons",
    )
    group.add_argument("--checkpoint", metavar="FILE", help="file that stores the progress")
    group.add_argument(
        "--restart", action="store_true", help="forget earlier runs and send the whole file"
    )
    group.add_argument(
        "--continue-anyway", action="store_true", help="continue a run that is over a day old"
    )
    group.add_argument(
        "--skip-lines",
        type=whole_number(0, _ANY),
        metavar="N",
        help="skip the first N lines of standard input",
    )
    group.add_argument(
        "--run-id", metavar="ID", help="continue the interrupted run with this ID on standard input"
    )


def run(options: Namespace) -> int:
    """Send. 0: all accepted, 1: some rejected, or not all sent, 130: interrupted."""
    # Here, because `--help` should not wait for urllib3 and tqdm.
    from cli.send.command import send_event, send_input

    _check(options)
    url = load_settings({"url": options.url}).url
    return send_event(url, options) if options.file is None else send_input(url, options)


def _check(options: Namespace) -> None:
    """Raises UsageError for options that don't go together."""
    of_event = [name for name in _EVENT if getattr(options, name) is not None]
    of_input = [name for name in (*_INPUT, "connections") if getattr(options, name)]
    if options.file is not None and of_event:
        raise UsageError(f"{option_name(of_event[0])} makes one event: give it or a FILE, not both")
    if options.file is None and of_input:
        raise UsageError(f"{option_name(of_input[0])} is for a FILE (- is standard input)")
    missing = [option_name(name) for name in _EVENT[:_REQUIRED] if name not in of_event]
    if options.file is None and missing:
        them = "them" if len(missing) > 1 else "it"
        raise UsageError(f"{', '.join(missing)} missing: an event needs {them}; or name a FILE")
