"""What Alembic runs: migrations inside one transaction, one process at a time."""

import sqlalchemy as sa
from alembic import context

from storage.postgres.engine import plain_engine
from storage.postgres.tables import metadata
from storage.settings import StorageSettings


def _run() -> None:
    url = context.config.attributes.get("database_url") or StorageSettings().database_url
    engine = plain_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext('activity migrations'))"))
        context.configure(connection=connection, target_metadata=metadata)
        with context.begin_transaction():
            context.run_migrations()
    engine.dispose()


_run()
