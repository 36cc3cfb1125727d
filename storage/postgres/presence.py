"""Who answers, and who is there: the version of PostgreSQL, and the service's sessions in it."""

import sqlalchemy as sa

from storage.postgres.engine import short_engine, transaction

_VERSION = sa.text("SHOW server_version")
_SESSIONS = sa.text(
    "SELECT DISTINCT application_name FROM pg_stat_activity WHERE datname = current_database() "
    "AND application_name LIKE 'activity-%' AND pid <> pg_backend_pid() ORDER BY 1"
)


def server_version(url: str) -> str:
    """Return the version as PostgreSQL writes it. Raises DatabaseUnavailable."""
    with short_engine(url) as engine, transaction(engine) as connection:
        return str(connection.execute(_VERSION).scalar_one())


def sessions_of_service(engine: sa.Engine) -> list[str]:
    """Return the names of the sessions, but this one, that API processes or workers have open.

    Raises DatabaseUnavailable.
    """
    with transaction(engine) as connection:
        return [str(name) for name in connection.scalars(_SESSIONS)]
