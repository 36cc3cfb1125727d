"""Alembic's entry: run migrations inside one transaction, one process at a time."""

import time

import sqlalchemy as sa
from alembic import context

from migrations.locking import PAUSE_SECONDS, TRY_FOR_SECONDS, WAIT_AT_MOST, is_locked
from migrations.oldest_workers import record_oldest_workers
from storage.postgres import locks
from storage.postgres.engine import short_engine
from storage.postgres.locks import Lock
from storage.postgres.tables import metadata
from storage.settings import StorageSettings


def _run() -> None:
    url = context.config.attributes.get("database_url") or StorageSettings().database_url
    deadline = time.monotonic() + TRY_FOR_SECONDS
    with short_engine(url) as engine:
        while True:
            try:
                return _migrate(engine)
            except sa.exc.DBAPIError as error:
                if not is_locked(error) or time.monotonic() >= deadline:
                    raise
            time.sleep(PAUSE_SECONDS)  # let those pass that waited behind us


def _migrate(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        locks.acquire(connection, Lock.MIGRATIONS)
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{WAIT_AT_MOST}'")
        context.configure(connection=connection, target_metadata=metadata)
        with context.begin_transaction():
            context.run_migrations()
        record_oldest_workers(connection)


_run()
