"""`activity migrate`: create or change the tables of the database for this version."""

import json
import sys
from argparse import ArgumentParser, Namespace
from datetime import UTC, datetime
from pathlib import Path

from cli.commands.options import add_json, add_run
from cli.errors import CliError
from cli.service_choice import urls_of_run
from cli.settings import load_settings
from cli.urls import storage_settings

HELP = "migrate the database (ACTIVITY_DATABASE_URL) to the tables of this version"
EXAMPLES = (
    "activity migrate",
    "activity migrate --data-dir .data  # the database of a running `activity up`",
    "activity migrate --to 0001 --json",
)


def add(parser: ArgumentParser) -> None:
    """Describe the options."""
    parser.add_argument(
        "--to",
        metavar="REVISION",
        help="downgrade to REVISION, `base` for no tables (default: upgrade to the latest)",
    )
    add_json(parser)
    add_run(parser, "database")


def run(options: Namespace) -> int:
    """Migrate. Raises `CliError` for an unknown revision, `DatabaseUnavailable`."""
    # Imported here: `--help` should not wait for SQLAlchemy and Alembic.
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
        print(_result_text(before, after, migrate.title(after) if after else ""), flush=True)
    if not options.to:
        make_admin_key(database_url, load_settings({}).admin_key_file)
    return 0


def make_admin_key(database_url: str, file: Path | None) -> None:
    """Import or make the first admin key if its file is set, and say so on standard error.

    Raises `CliError` for a file that is not usable, `StorageError`.
    """
    if file is None:
        return
    from cli.access.admin_key import ensure_admin_key
    from storage.access.key_table import KeyTable
    from storage.postgres.engine import short_engine

    with short_engine(database_url) as engine:
        done = ensure_admin_key(KeyTable(engine), file, datetime.now(UTC))
    print(f"activity: {done}", file=sys.stderr, flush=True)


def _result_text(before: str | None, after: str | None, title: str) -> str:
    now = f"{after} ({title})" if after else "empty: no migration is applied"
    if before == after:
        return f"nothing to do: the database is at {now}"
    return f"migrated from {before or 'an empty database'} to {now}"
