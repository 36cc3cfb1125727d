"""`activity holds`: legal holds, which keep events from retention and from being erased."""

import json
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from cli.access import terms
from cli.commands.options import add_json, add_run
from cli.errors import BadArguments, CliError
from cli.exit_status import DONE
from cli.quantities import table
from cli.service_choice import urls_of_run
from cli.urls import storage_settings

if TYPE_CHECKING:
    from storage.retention.holds import LegalHold

HELP = "add, list or remove legal holds, which keep events from being removed or erased"
EXAMPLES = (
    "activity holds add 'case 17' --from 2026-03-01 --to 2026-04-01",
    "activity holds add 'case 18' --email jo@example.com",
    "activity holds list --json",
    "activity holds remove 01a2207a-0000-7000-8000-000000000000",
)

_HEAD = ("ID", "ADDED", "BY", "FROM", "TO", "EMAIL", "REASON")
_MAX_REASON, _MAX_EMAIL = 500, 1_000


def add(parser: ArgumentParser) -> None:
    """Describe the actions."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    one = actions.add_parser("add", help="add a hold of a time range, of an email, or of both")
    one.add_argument(
        "reason", metavar="REASON", type=_text(_MAX_REASON), help="why, in a few words"
    )
    for name, meaning in (
        ("from", "hold events that were created on this day (UTC) or at this instant or later"),
        ("to", "hold events that were created before this day or instant"),
    ):
        one.add_argument(
            f"--{name}", dest=f"{name}_date", type=terms.date, metavar="DATE", help=meaning
        )
    one.add_argument(
        "--email",
        type=_text(_MAX_EMAIL),
        help="hold events of this email only, ASCII letters in any case",
    )
    actions.add_parser("list", help="list the holds, the latest first")
    removal = actions.add_parser("remove", help="remove a hold")
    removal.add_argument("id", metavar="ID", type=UUID, help="ID of the hold")
    for action in actions.choices.values():
        add_json(action)
        add_run(action, "database")


def run(options: Namespace) -> int:
    """Run the action. Raises BadArguments, DatabaseUnavailable."""
    # Imported here: `--help` should not wait for SQLAlchemy.
    from storage.postgres.engine import short_engine
    from storage.retention.holds import LegalHolds

    if options.action == "add":
        _require_something(options.from_date, options.to_date, options.email)
    url = storage_settings(urls_of_run(options.data_dir)).database_url
    with short_engine(url) as engine:
        holds = LegalHolds(engine)
        if options.action == "list":
            _print(holds.listed(), options.json)
        elif options.action == "add":
            added = holds.add(options.reason, options.from_date, options.to_date, options.email)
            print(json.dumps(_document(added)) if options.json else f"{added.id}  added")
        else:
            if holds.remove(options.id) is None:
                raise CliError(f"no hold has the ID {options.id}; `activity holds list` shows them")
            done = {"removed": str(options.id)}
            print(json.dumps(done) if options.json else f"{options.id}  removed")
    return DONE


def _require_something(start: datetime | None, end: datetime | None, email: str | None) -> None:
    usage = "usage: activity holds add REASON [--from DATE] [--to DATE] [--email EMAIL]\n"
    if not (start or end or email):
        raise BadArguments("a hold needs --from, --to or --email: it would hold nothing", usage)
    if start and end and start >= end:
        raise BadArguments("--from must be before --to", usage)


def _text(most: int) -> Callable[[str], str]:
    """Return a parser for a text of so many characters at most, which a terminal can show."""

    def parse(text: str) -> str:
        if not text.strip() or len(text) > most or not text.isprintable():
            raise ArgumentTypeError(f"write 1 to {most} printable characters")
        return text

    return parse


def _print(found: Any, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"holds": [_document(hold) for hold in found]}))
    elif found:
        print(table([_HEAD, *map(_row, found)]))
    else:
        print("no holds", file=sys.stderr)


def _document(hold: "LegalHold") -> dict[str, str | None]:
    return {
        "id": str(hold.id),
        "reason": hold.reason,
        "from": hold.start.isoformat() if hold.start else None,
        "to": hold.end.isoformat() if hold.end else None,
        "email": hold.email,
        "added_at": hold.added_at.isoformat(),
        "added_by": hold.added_by,
    }


def _row(hold: "LegalHold") -> tuple[str, ...]:
    bounds = (f"{bound:%Y-%m-%d %H:%M}" if bound else "-" for bound in (hold.start, hold.end))
    shown = f"{hold.added_at:%Y-%m-%d %H:%M}"
    return str(hold.id), shown, hold.added_by, *bounds, hold.email or "-", hold.reason
