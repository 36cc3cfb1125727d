"""Migrate a database to this version's tables, with Alembic."""

from importlib.util import find_spec

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from storage.postgres.engine import short_engine
from storage.server_errors import database_errors


def upgrade(database_url: str, revision: str = "head") -> None:
    """Apply the missing migrations, one process at a time. Raises DatabaseUnavailable."""
    with database_errors():
        command.upgrade(_config(database_url), revision)


def downgrade(database_url: str, revision: str) -> None:
    """Go back to a revision (`base`: remove every table). Raises DatabaseUnavailable."""
    with database_errors():
        command.downgrade(_config(database_url), revision)


def current_revision(database_url: str) -> str | None:
    """Return the database's migration, None before the first. Raises DatabaseUnavailable."""
    with database_errors(), short_engine(database_url) as engine, engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def known_revisions() -> list[str]:
    """Return the migrations of this version, from the latest to the first."""
    return [each.revision for each in ScriptDirectory.from_config(_config("")).walk_revisions()]


def title(revision: str) -> str:
    """Return what a migration is about: the first sentence of its file."""
    found = ScriptDirectory.from_config(_config("")).get_revision(revision)
    return found.doc.partition(". ")[0].rstrip(".") if found else ""


def _config(database_url: str) -> Config:
    spec = find_spec("migrations")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    config = Config()
    config.set_main_option("script_location", spec.submodule_search_locations[0].replace("%", "%%"))
    config.attributes["database_url"] = database_url
    return config
