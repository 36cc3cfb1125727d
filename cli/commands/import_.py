"""`activity import`: import events of the past from files or standard input."""

from argparse import Namespace

from cli.commands.send import add_input, add_service
from cli.parser import Parser
from cli.settings import load_settings

HELP = "import events of the past from files of NDJSON or CSV, also packed"
EXAMPLES = (
    "activity import history.ndjson.gz  # again after an interruption: nothing is doubled",
    "activity import 'export/*.csv.zst' --map timestamp=created_at --map id=import_id",
    "activity import old.csv --map ts=created_at --created-at unix --map user=data.user",
    "psql -c 'COPY old TO STDOUT CSV HEADER' | activity import - --format csv",
)


def add(parser: Parser) -> None:
    """Describe the options."""
    parser.add_argument(
        "files",
        metavar="FILE",
        nargs="+",
        help="file of NDJSON or CSV, plain or packed with gzip or zstd, or a pattern "
        "('old/**/*.gz'); - reads standard input",
    )
    add_service(parser)
    add_input(parser, "import")
    parser.add_argument(
        "--created-at",
        choices=("rfc3339", "utc", "unix", "unix-ms"),
        default="rfc3339",
        help="how the input writes created_at: as an instant of RFC 3339, or as PostgreSQL writes "
        "it (default); the same without an offset, in UTC; or as (milli)seconds since 1970",
    )


def run(options: Namespace) -> int:
    """Import. Returns 0: all accepted, 1: some rejected or not sent, 130: interrupted."""
    # Imported here: `--help` should not wait for urllib3 and tqdm.
    from cli.credentials import credentials
    from cli.send.command import Service, send_input

    settings = load_settings({"url": options.url, "tls_ca": options.tls_ca})
    service = Service(settings.url, credentials(settings), settings.tls_ca)
    return send_input(service, options, imports=True)
