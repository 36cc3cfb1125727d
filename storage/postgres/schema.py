"""Whether workers of this version may write into the database: they must know its tables.

A migration says which workers may go on while they are replaced (`oldest_workers` in its file);
without a word these are only its own. `activity migrate` records that in the database, as a comment
that every user may read.
"""

import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import sqlalchemy as sa

from storage.errors import SchemaTooNew
from storage.postgres.engine import short_engine, transaction

TABLE = "alembic_version"
COMMENT = f"obj_description(to_regclass('{TABLE}'), 'pg_class')"
"""SQL for the comment, for `require_known`; NULL without one."""

_QUERY = sa.text(f"SELECT {COMMENT}")
_form = re.compile(r"migration ([0-9]{4}), for workers of migration ([0-9]{4}) or later").fullmatch
_revision = re.compile(r"([0-9]{4})_.+").fullmatch


def comment(revision: str, oldest_workers: str) -> str:
    """Return the comment for a database at `revision`."""
    return f"migration {revision}, for workers of migration {oldest_workers} or later"


@cache
def known_revision() -> str:
    """Return the latest migration that this version knows."""
    spec = find_spec("migrations")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    files = (Path(spec.submodule_search_locations[0]) / "versions").glob("*.py")
    return max(found[1] for file in files if (found := _revision(file.stem)))


def require_known(found: str | None) -> None:
    """Raise SchemaTooNew for the comment of a database that needs later workers than these."""
    parts = _form(found or "")
    if parts is not None and parts[2] > known_revision():
        raise SchemaTooNew(
            f"the database is at migration {parts[1]} and needs workers of migration {parts[2]} or "
            f"later; this version knows {known_revision()}: update this installation"
        )


def require_known_in(connection: sa.Connection) -> None:
    """Raise SchemaTooNew if the database needs later workers than these."""
    require_known(connection.scalar(_QUERY))


def require_known_schema(url: str) -> None:
    """Raise SchemaTooNew if the database needs later workers than these, DatabaseUnavailable."""
    with short_engine(url) as engine, transaction(engine) as connection:
        require_known_in(connection)
