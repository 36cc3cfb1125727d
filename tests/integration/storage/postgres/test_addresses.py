"""Both forms of PostgreSQL's address that the settings accept lead to the installed driver."""

import sqlalchemy as sa

from storage.postgres import migrate
from storage.postgres.engine import plain_engine, transaction
from storage.settings import StorageSettings


def test_an_address_without_a_driver_uses_psycopg2(settings: StorageSettings) -> None:
    assert settings.database_url.startswith("postgresql+psycopg2://")
    url = settings.database_url.replace("+psycopg2", "")
    engine = plain_engine(StorageSettings(database_url=url, _env_file=None).database_url)
    with transaction(engine) as connection:
        assert connection.scalar(sa.text("SELECT 1")) == 1
    engine.dispose()
    assert migrate.current_revision(url) == migrate.known_revisions()[0]
    migrate.upgrade(url)
