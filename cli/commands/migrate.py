"""`activity migrate`: bring a database to this version's tables, or back."""

import json
from argparse import ArgumentParser, Namespace

from cli.commands.options import add_json, add_run
from cli.errors import CliError
from cli.service_choice import urls_of_run
from cli.urls import storage_settings

HELP = "bring the database (ACTIVITY_DATABASE_URL) to this version's tables"
EXAMPLES = (
    "activity migrate",
    "activity migrate --data-dir .data  # the database of a running `activity up`",
    "activity migrate --to 0001 --json",
)


def add(parser: ArgumentParser) -> None:
    """Describe the options."""
    parser.add_argument(
        "--to", metavar="REVISION", help="go back to this revision; `base` removes every table"
    )
    add_json(parser)
    add_run(parser, "database")


def run(options: Namespace) -> int:
    """Migrate. Raises `CliError` for an unknown revision, `DatabaseUnavailable`."""
    # Here, because `--help` should not wait for SQLAlchemy and Alembic.
    from alembic.util import CommandError

    from storage.postgres import migrate

    database_url = storage_settings(urls_of_run(options.data_dir)).database_url
    before = migrate.current_revision(database_url)
    try:
        if options.to:
            migrate.downgrade(database_url, options.to)
        else:
            migrate.upgrade(database_url)
    except CommandError as error:
        raise CliError(str(error)) from None
    after = migrate.current_revision(database_url)
    if options.json:
        print(json.dumps({"from": before, "to": after}))
    else:
        print(_said(before, after, migrate.title(after) if after else ""))
    return 0


def _said(before: str | None, after: str | None, about: str) -> str:
    now = f"{after} ({about})" if after else "empty: no migration is applied"
    if before == after:
        return f"nothing to do: the database is at {now}"
    return f"migrated from {before or 'an empty database'} to {now}"
