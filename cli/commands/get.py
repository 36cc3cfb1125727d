"""`activity get`: show one event and whether it is stored."""

from argparse import ArgumentParser, Namespace

from cli.commands.options import add_json
from cli.commands.query import add_service
from cli.exit_status import DONE

HELP = "show one event and its receipt: queued, stored or dead"
EXAMPLES = (
    "activity get 019a9b0c-6d2e-7b43-a1f0-5a3c2f1e0d9b",
    "activity get 019a9b0c-6d2e-7b43-a1f0-5a3c2f1e0d9b --json",
)


def add(parser: ArgumentParser) -> None:
    """Describe the options."""
    parser.add_argument("id", metavar="ID", help="ID of the event")
    add_json(parser)
    add_service(parser)


def run(options: Namespace) -> int:
    """Show the event. Returns 1 if there is none. Raises `UsageError`, `ReadError`."""
    # Imported here: `--help` should not wait for urllib3.
    from cli.query.command import get

    get(options)
    return DONE
