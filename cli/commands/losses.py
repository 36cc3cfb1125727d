"""`activity losses`: what failovers of the queue have lost, until an operator has dealt with it."""

import json
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from cli.commands.options import add_json, add_run
from cli.errors import BadArguments
from cli.exit_status import DONE
from cli.quantities import counted
from cli.service_choice import urls_of_run
from cli.urls import storage_settings

if TYPE_CHECKING:
    from storage.queue.witness import Evidence

HELP = "show or forget how many acknowledged events failovers of the queue may have lost"
EXAMPLES = (
    "activity losses show --data-dir .data",
    "activity losses forget --yes --json",
)


def add(parser: ArgumentParser) -> None:
    """Describe the actions."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    actions.add_parser("show", help="show what API processes have recorded")
    forget = actions.add_parser("forget", help="forget it: producers have sent it again")
    forget.add_argument("--yes", action="store_true", help="confirm it; without this it is refused")
    for action in actions.choices.values():
        add_json(action)
        add_run(action, "database")


def run(options: Namespace) -> int:
    """Run the action. Raises BadArguments, DatabaseUnavailable."""
    # Imported here: `--help` should not wait for SQLAlchemy.
    from storage.postgres.engine import short_engine
    from storage.queue.witness_record import forget_evidence, read_evidence

    if options.action == "forget" and not options.yes:
        usage = "usage: activity losses forget --yes [--json] [--data-dir DIR]\n"
        raise BadArguments("nothing else records what was lost: confirm it with --yes", usage)
    with short_engine(storage_settings(urls_of_run(options.data_dir)).database_url) as engine:
        found = read_evidence(engine)
        if options.action == "forget":
            forget_evidence(engine)
    _print(found, options.json, options.action == "forget")
    return DONE


def _print(found: "Evidence", as_json: bool, is_forgotten: bool) -> None:
    lost, gaps = found.lost([]), sorted(found.gaps)
    if as_json:
        print(json.dumps({"lost": lost, "gaps": [gap._asdict() for gap in gaps]}))
        return
    for shard, begin, end in gaps:
        print(f"shard {shard}: {counted(end - begin, 'event')}, from number {begin + 1:,}")
    ending = "; this is forgotten" if is_forgotten else ""
    print(f"{counted(lost, 'acknowledged event')} may be lost{ending}")
