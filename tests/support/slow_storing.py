"""Make PostgreSQL slow, or stop it, where events are stored; reading goes on as ever."""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from storage.settings import StorageSettings


def _execute(settings: StorageSettings, statement: str) -> None:
    engine = sa.create_engine(settings.database_url)
    with engine.begin() as connection:
        connection.execute(sa.text(statement))
    engine.dispose()


def slow_down(settings: StorageSettings, seconds: float) -> None:
    """Let each batch take so long, less than its commit waits for, or up to twice that."""
    _execute(
        settings,
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"PERFORM pg_sleep({seconds} * (1 + random())); RETURN NULL; END $$; "
        "CREATE TRIGGER slow AFTER INSERT ON events FOR EACH STATEMENT EXECUTE FUNCTION slow()",
    )


def refuse(settings: StorageSettings, message: str) -> None:
    """Let PostgreSQL refuse every event with this message."""
    _execute(
        settings,
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF NEW.message = '{message}' THEN RAISE data_exception; END IF; RETURN NEW; END $$; "
        "CREATE TRIGGER refuse BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION refuse()",
    )


@contextmanager
def nothing_stored(settings: StorageSettings) -> Iterator[None]:
    """Let no event be stored during the block; workers wait for a lock."""
    engine = sa.create_engine(settings.database_url)
    with engine.begin() as connection:
        connection.execute(sa.text("LOCK TABLE events IN SHARE MODE"))
        yield
    engine.dispose()
