"""`activity sql`: psql of the embedded PostgreSQL, which can read everything and change nothing."""

import argparse
import os
from argparse import ArgumentParser, Namespace
from typing import NoReturn
from urllib.parse import parse_qs, urlsplit

from cli import state
from cli.commands.options import add_data_dir
from cli.data_dir import data_folder
from cli.embedded.binaries import installed_psql
from cli.parser import PASSED_ON
from cli.settings import forget_libpq_variables, load_settings

HELP = "run psql on the embedded PostgreSQL; it reads everything and changes nothing"
EXAMPLES = (
    "activity sql",
    "activity sql -c 'SELECT count(*) FROM events'",
    "activity sql --data-dir .data --csv -f report.sql",
)

_READ_ONLY = "-c default_transaction_read_only=on"


def add(parser: ArgumentParser) -> None:
    """Describe the options."""
    add_data_dir(parser, "data folder of the run (ACTIVITY_DATA_DIR, default .data)")
    parser.add_argument(
        PASSED_ON,
        nargs=argparse.REMAINDER,
        metavar="...",
        help="arguments of psql, such as -c COMMAND, -f FILE or --csv; put --data-dir before",
    )


def run(options: Namespace) -> NoReturn:
    """Become psql. Raises `NothingRuns`, `NotInstalled`, and `StorageError` without PostgreSQL."""
    # Imported here: `--help` should not wait for SQLAlchemy.
    from storage.postgres.read_only_role import ensure_read_only_role

    settings = load_settings({"data_dir": options.data_dir})
    url = state.running(data_folder(settings)).urls.database_url
    psql = installed_psql()
    forget_libpq_variables()
    role = ensure_read_only_role(url)
    passed_on = options.passed_on
    arguments = passed_on[1:] if passed_on[:1] == ["--"] else passed_on
    environment = {**os.environ, **connection_variables(url, role)}
    os.execve(psql, [str(psql), *arguments], environment)  # noqa: S606 - no shell is wanted


def connection_variables(url: str, role: str) -> dict[str, str]:
    """Return libpq's variables for this address, as this role, read-only. Pure."""
    parts = urlsplit(url)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    return {
        "PGHOST": query["host"],
        "PGPORT": query["port"],
        "PGDATABASE": parts.path.lstrip("/"),
        "PGUSER": role,
        "PGSSLMODE": "disable",
        "PGGSSENCMODE": "disable",
        "PGAPPNAME": "activity-sql",
        "PGOPTIONS": _READ_ONLY,
    }
