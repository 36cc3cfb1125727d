"""`activity query`: list, count or follow the events that match."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Sequence

from cli.commands.options import add_data_dir, add_tls_ca, seconds, whole_number
from cli.errors import UsageError
from cli.exit_status import DONE
from cli.parser import Parser
from cli.query.question import add_filters, parameters
from cli.settings import option_name
from storage.statistics.bars import INTERVALS

HELP = "list, count or follow the events that match"
EXAMPLES = (
    "activity query --component billing --from -24h",
    "activity query 'component:(auth OR pay*) -environment:dev \"was paid\"' --limit 20",
    "activity query --all --csv --from 2026-11-01 --output november.csv",
    "activity query timeout --stats --interval hour --group-by component",
    "activity query --facets --field component --field data.customer.tier",
    "activity query --follow --environment production",
    "activity query --since siem.token --output events.ndjson",
)

_MAX_LIMIT, _MAX_VALUES = 1_000_000_000, 100
_COLUMNS = (
    "created_at",
    "component",
    "environment",
    "email",
    "message",
    "data",
    "id",
    "occurred_at",
)

# Which options make sense for which way to ask.
_WAYS = ("stats", "facets", "follow", "since")
_ONLY_FOR = {
    "limit": ("", "follow"),
    "order": ("",),
    "all": ("",),
    "csv": ("",),
    "columns": ("", "follow"),
    "interval": ("stats",),
    "tz": ("stats",),
    "group_by": ("stats",),
    "field": ("facets",),
    "values": ("facets",),
    "once": ("stats", "facets"),
    "output": ("", "since"),
    "fresh": ("", "stats", "facets"),
}


def add(parser: Parser) -> None:
    """Describe the options."""
    add_filters(parser)
    _add_listing(parser)
    _add_counting(parser)
    _add_following(parser)
    add_service(parser)
    parser.exclude("--stats", "--facets", "--follow", "--since")
    parser.exclude("--facets", "--follow", "--since")
    parser.exclude("--all", "--limit")
    parser.exclude("--json", "--csv")


def _add_listing(parser: ArgumentParser) -> None:
    group = parser.add_argument_group(
        "what is shown", "The newest events, the newest of them last, unless --order or --all."
    )
    group.add_argument(
        "--json",
        action="store_true",
        help="print each event as one line of JSON; counts as one line in all",
    )
    group.add_argument(
        "--csv",
        action="store_true",
        help="print CSV; as many events as without it, so add --all for every one",
    )
    group.add_argument(
        "--columns",
        type=_columns,
        metavar="NAMES",
        help=f"columns of the table or of CSV, of {', '.join(_COLUMNS)}; also data.PATH",
    )
    group.add_argument(
        "--limit",
        type=whole_number(0, _MAX_LIMIT),
        metavar="N",
        help="show N events at most (default 100; 10 with --follow)",
    )
    group.add_argument(
        "--order",
        choices=("asc", "desc"),
        help="asc: begin with the oldest; desc: begin with the newest, which is shown first",
    )
    group.add_argument(
        "--all", action="store_true", help="show every event, the oldest first, over any break"
    )


def _add_counting(parser: ArgumentParser) -> None:
    group = parser.add_argument_group(
        "counts", "Counts are exact. They are asked for again until they are complete."
    )
    group.add_argument("--stats", action="store_true", help="count over time, with bars")
    group.add_argument(
        "--interval", choices=(*INTERVALS, "auto"), help="length of a bar (default auto)"
    )
    group.add_argument("--tz", metavar="ZONE", help="time zone, as Europe/Berlin (default UTC)")
    group.add_argument(
        "--group-by",
        metavar="FIELD",
        help="count each value of component, environment, email or data.PATH too",
    )
    group.add_argument("--facets", action="store_true", help="count the values of fields")
    group.add_argument(
        "--field",
        action="append",
        metavar="FIELD",
        help="field to count the values of, or data for its keys; may be repeated "
        "(default: component, environment and email)",
    )
    group.add_argument(
        "--values",
        type=whole_number(1, _MAX_VALUES),
        metavar="N",
        help="name the N most frequent values of each field (default 10)",
    )
    group.add_argument(
        "--once", action="store_true", help="ask once, also if the counts are not complete then"
    )


def _add_following(parser: ArgumentParser) -> None:
    group = parser.add_argument_group(
        "as they are stored", "Each event once and none left out, whatever is restarted or killed."
    )
    group.add_argument(
        "--follow",
        action="store_true",
        help="show the newest events, then each one once it is stored, until Ctrl-C",
    )
    group.add_argument(
        "--since",
        metavar="FILE",
        help="print what was stored since the last run with this FILE, one line of JSON each; "
        "FILE keeps the place, and the first run prints everything. With --follow, go on",
    )
    group.add_argument(
        "--output",
        metavar="FILE",
        help="with --since: append to FILE, so that it has each event exactly once; with --csv or "
        "--json: replace FILE once every event is written",
    )


def add_service(parser: ArgumentParser) -> None:
    """Add the options that say which service is asked, and for how long."""
    parser.add_argument(
        "--url", help="address of the service (ACTIVITY_URL, default http://127.0.0.1:5000)"
    )
    add_data_dir(
        parser,
        "ask the `activity up` on this data folder (ACTIVITY_DATA_DIR, unless ACTIVITY_URL is set)",
    )
    add_tls_ca(parser)
    parser.add_argument(
        "--give-up",
        type=seconds,
        metavar="SECONDS",
        help="give up after SECONDS without an answer (default 60, or at once if nothing listens; "
        "never with --follow)",
    )


def _columns(text: str) -> Sequence[str]:
    """Parse names of columns; which ones there are depends on the form."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise ArgumentTypeError(f"{text!r} names no column (known: {', '.join(_COLUMNS)})")
    return names


def run(options: Namespace) -> int:
    """Answer. Raises `UsageError`, `ReadError`."""
    _check(options)
    asked = parameters(options)
    # Imported here: `--help` should not wait for urllib3.
    from cli.query.command import answer, export

    (answer if options.since is None else export)(asked, options)
    return DONE


def _check(options: Namespace) -> None:
    """Raise `UsageError` for options that do not fit the way to ask."""
    ways = [way for way in _WAYS if getattr(options, way)]
    way = ways[-1] if ways else ""
    for name, fitting in _ONLY_FOR.items():
        if getattr(options, name) not in (None, False) and way not in fitting:
            raise UsageError(f"{option_name(name)} {_misfit(way, fitting)}")
    if options.limit == 0 and way != "follow":
        raise UsageError("--limit 0 is for --follow")
    if options.output and not (options.since or options.csv or options.json):
        raise UsageError("--output needs --since, --csv or --json")
    _check_columns(options)


def _check_columns(options: Namespace) -> None:
    """Raise `UsageError` for columns that the form does not have."""
    if options.json and options.columns:
        raise UsageError("--columns is for the table and --csv; --json prints whole events")
    if options.columns:
        # Imported here: `--help` should not wait for msgspec.
        from cli.query.csv_columns import checked_columns

        options.columns = checked_columns(options.columns)


def _misfit(way: str, fitting: Sequence[str]) -> str:
    if way and "" in fitting:
        return f"can't be combined with {option_name(way)}"
    return f"needs {' or '.join(option_name(each) for each in fitting)}"
