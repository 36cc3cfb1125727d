"""`activity audit`: show who has done what: the acts of administrators."""

import json
import sys
from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from cli.access import terms
from cli.commands.options import add_json, add_run, whole_number
from cli.exit_status import DONE, FAILED

if TYPE_CHECKING:
    from storage.access.audit import AuditLine

HELP = "show the acts of administrators: who did what, when, and with which result"
EXAMPLES = (
    "activity audit",
    "activity audit --since 7d --json",
    "activity audit --since 2027-01-31 --data-dir .data",
)

_SINCE = timedelta(days=30)
_LIMIT, _MAX_LIMIT = 1_000, 100_000


def add(parser: ArgumentParser) -> None:
    """Describe the options."""
    parser.add_argument(
        "--since",
        type=terms.duration_or_date,
        default=_SINCE,
        metavar="DURATION|DATE",
        help="show the acts of this time: 7d, or 2027-01-31 for all since then (default 30d)",
    )
    parser.add_argument(
        "--limit",
        type=whole_number(1, _MAX_LIMIT),
        default=_LIMIT,
        metavar="N",
        help=f"show the newest N acts at most (default {_LIMIT:,})",
    )
    add_json(parser)
    add_run(parser)


def run(options: Namespace) -> int:
    """Print the acts, the oldest first. Returns 1 if acts may be missing."""
    # Imported here: `--help` should not wait for SQLAlchemy and redis.
    from cli.access.opened import opened_homes, warn_of_missing
    from storage.access.audit import merged_lines

    since = terms.before(datetime.now(UTC), options.since)
    with opened_homes(options.data_dir) as homes:
        found = homes.audit_lines(since, options.limit)
    lines = merged_lines(found.answers.values(), options.limit)[::-1]
    if options.json:
        print(json.dumps({"acts": [_document(line) for line in lines]}))
    for line in () if options.json else lines:
        print(_text(line))
    if not lines:
        print(f"no acts since {since:%Y-%m-%d %H:%M:%S} UTC", file=sys.stderr)
    warn_of_missing(found.failures, "acts")
    return FAILED if found.failures else DONE


def _document(line: "AuditLine") -> dict[str, Any]:
    return {**asdict(line), "id": str(line.id), "at": line.at.isoformat()}


def _text(line: "AuditLine") -> str:
    told = " ".join(f"{name}={_value(value)}" for name, value in line.details.items())
    words = (line.actor, line.action, line.target, line.result, told)
    shown = "  ".join(word for word in words if word)
    return "".join(
        char if char.isprintable() else ascii(char)[1:-1]
        for char in f"{line.at:%Y-%m-%d %H:%M:%S}  {shown}"
    )


def _value(value: object) -> str:
    """Return the value. Text that could be taken for several words is quoted."""
    if isinstance(value, str) and value and not set(value) & set(' "='):
        return value
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
