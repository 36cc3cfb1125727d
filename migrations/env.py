"""Alembic's entry: run migrations inside one transaction, one process at a time."""

from alembic import context

from storage.postgres import locks
from storage.postgres.engine import short_engine
from storage.postgres.locks import Lock
from storage.postgres.tables import metadata
from storage.settings import StorageSettings


def _run() -> None:
    url = context.config.attributes.get("database_url") or StorageSettings().database_url
    with short_engine(url) as engine, engine.begin() as connection:
        locks.acquire(connection, Lock.MIGRATIONS)
        context.configure(connection=connection, target_metadata=metadata)
        with context.begin_transaction():
            context.run_migrations()


_run()
