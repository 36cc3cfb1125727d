"""What the connections of exports do in PostgreSQL, and ways to disturb them."""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from storage.settings import StorageSettings

_OURS = "application_name = 'activity-statistics' AND datname = current_database()"


@contextmanager
def observer(settings: StorageSettings) -> Iterator[sa.Connection]:
    """Yield a connection on which each statement commits."""
    engine = sa.create_engine(settings.database_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def states(connection: sa.Connection) -> list[str]:
    """Return the states of the connections for bulk reads."""
    query = f"SELECT state FROM pg_stat_activity WHERE {_OURS}"
    return [str(state) for state in connection.scalars(sa.text(query))]


def running_queries(connection: sa.Connection) -> int:
    """Return how many of these connections run a query."""
    return states(connection).count("active")


@contextmanager
def blocked(settings: StorageSettings) -> Iterator[None]:
    """Let no query of the events go on during the block."""
    engine = sa.create_engine(settings.database_url)
    with engine.begin() as connection:
        connection.execute(sa.text("LOCK TABLE events IN ACCESS EXCLUSIVE MODE"))
        yield
    engine.dispose()


@contextmanager
def away(settings: StorageSettings) -> Iterator[None]:
    """End the connections for bulk reads, and let no new ones in during the block."""
    name = sa.make_url(settings.database_url).database
    server = sa.create_engine(
        sa.make_url(settings.database_url).set(database="postgres"), isolation_level="AUTOCOMMIT"
    )
    with server.connect() as connection:

        def allow(allowed: str) -> None:
            connection.execute(sa.text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS {allowed}"))

        allow("false")
        try:
            end = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
            connection.execute(sa.text(end))
            yield
        finally:
            allow("true")
    server.dispose()
