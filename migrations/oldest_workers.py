"""Record in the database which workers may use the tables of its migration."""

import sqlalchemy as sa
from alembic import context

from storage.postgres import schema


def record_oldest_workers(connection: sa.Connection) -> None:
    """Write the comment that workers read before each drain (`storage.postgres.schema`).

    A migration that older workers can live with names the oldest of them in its file, as
    `oldest_workers`. Without it, workers of before refuse to work, and say so.
    """
    revision = context.get_context().get_current_revision()
    text = None
    if revision is not None:
        found = context.script.get_revision(revision)
        oldest = getattr(found.module, "oldest_workers", revision) if found else revision
        text = schema.comment(revision, oldest)
    quoted = sa.literal(text).compile(
        dialect=connection.dialect, compile_kwargs={"literal_binds": True}
    )
    connection.exec_driver_sql(f"COMMENT ON TABLE {schema.TABLE} IS {quoted}")
