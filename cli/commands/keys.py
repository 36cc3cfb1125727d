"""`activity keys`: make, list, show, rotate and revoke API keys."""

from argparse import ArgumentParser, Namespace
from datetime import timedelta

from cli.access import grants, terms
from cli.commands.options import add_json, add_run, whole_number
from cli.parser import Parser
from storage.access.api_key import Scope

HELP = "make, list, show, rotate or revoke API keys"
EXAMPLES = (
    "activity keys create billing --scope write --component 'pay-*' --rate 5000/s",
    "activity keys create reports --scope read --expires 90d --quiet >token",
    "activity keys create page --scope write --origin https://app.example.com",
    "activity keys list --all --json",
    "activity keys rotate 0aZ9bY8x --overlap 24h",
    "activity keys revoke 0aZ9bY8x --data-dir .data",
)

_OVERLAP = timedelta(hours=24)
_MAX_DAILY = 10**15


def add(parser: Parser) -> None:
    """Describe the actions."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    _add_create(actions.add_parser("create", help="make a key, and print its token once"))
    listing = actions.add_parser("list", help="list the keys that have not ended")
    listing.add_argument("--all", action="store_true", help="list revoked and expired keys too")
    _add_key(actions.add_parser("show", help="show a key"))
    rotate = actions.add_parser(
        "rotate", help="make a key with the same grants, and revoke the old one after an overlap"
    )
    _add_key(rotate)
    rotate.add_argument(
        "--overlap",
        type=terms.duration,
        default=_OVERLAP,
        metavar="DURATION",
        help="how long the old key stays valid (default 24h; 0s revokes it now)",
    )
    _add_expires(rotate, "default: as long after now as the old key was made to live")
    _add_quiet(rotate)
    revoke = actions.add_parser("revoke", help="revoke a key, now or later, for good")
    _add_key(revoke)
    revoke.add_argument(
        "--in",
        dest="delay",
        type=terms.duration,
        default=timedelta(),
        metavar="DURATION",
        help="revoke it after this time (default: now)",
    )
    for action in actions.choices.values():
        add_json(action)
        add_run(action)


def _add_create(parser: Parser) -> None:
    parser.add_argument("name", metavar="NAME", type=grants.name, help="who uses the key")
    parser.add_argument(
        "--scope",
        action="append",
        choices=[scope.value for scope in Scope],
        required=True,
        help="what the key may do; repeat it for several scopes, as none includes another",
    )
    for option, what, example in (
        ("--component", "components", "pay-*"),
        ("--environment", "environments", "prod-*"),
    ):
        parser.add_argument(
            option,
            action="append",
            type=grants.pattern,
            default=[],
            metavar="NAME",
            help=f"limit to {what} of this name, or with this beginning: {example!r}; repeatable",
        )
    parser.add_argument(
        "--rate",
        type=terms.rate,
        metavar="N/s",
        help="events that may be posted in a second, over all processes: 5000/s, or 5000",
    )
    parser.add_argument(
        "--daily",
        type=whole_number(1, _MAX_DAILY),
        metavar="N",
        help="events that may be posted in a day, over all processes",
    )
    parser.add_argument(
        "--origin",
        action="append",
        type=grants.origin,
        default=[],
        metavar="ORIGIN",
        help="let web pages of this origin post, such as https://app.example.com; repeatable",
    )
    _add_expires(parser, "default: never")
    _add_quiet(parser)


def _add_key(parser: ArgumentParser) -> None:
    parser.add_argument("key", metavar="ID|NAME", help="ID of the key, or its name")


def _add_expires(parser: ArgumentParser, default: str) -> None:
    parser.add_argument(
        "--expires",
        type=terms.duration_or_date,
        metavar="DURATION|DATE",
        help=f"when the key ends: 90d, or 2027-01-31, when that day begins in UTC ({default})",
    )


def _add_quiet(parser: Parser) -> None:
    parser.add_argument("--quiet", action="store_true", help="print the token and nothing else")
    parser.exclude("--quiet", "--json")


def run(options: Namespace) -> int:
    """Run the action. Raises NoHome if neither the queue nor PostgreSQL answers."""
    # Imported here: `--help` should not wait for SQLAlchemy and redis.
    from cli.access import key_actions

    return key_actions.run(options)
