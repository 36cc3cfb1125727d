"""Start real PostgreSQL and Valkey once, and give each test a database of its own."""

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa

from cli.embedded import Servers, embedded_servers
from storage.postgres.migrate import upgrade
from storage.redis.client import connect
from storage.settings import StorageSettings

TEMPLATE = "activity_template"
EMPTY_SECONDS = 120.0  # of a Redis server, on a busy machine


@contextmanager
def data_folder() -> Iterator[Path]:
    """Yield a new folder that the servers' unprivileged user can reach, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="activity-"))
    folder.chmod(0o755)
    try:
        yield folder / "data"
    finally:
        shutil.rmtree(folder)


@dataclass(frozen=True)
class TestServers:
    """Running servers, with a migrated template database."""

    __test__ = False
    servers: Servers
    _lent: list[str] = field(default_factory=list)

    def settings(self, database: str = TEMPLATE, **more: object) -> StorageSettings:
        """Return settings with the addresses of these servers."""
        return StorageSettings(**self.addresses(database), **more, _env_file=None)  # type: ignore[arg-type]

    def addresses(self, database: str) -> dict[str, str]:
        """Return the settings that lead to these servers."""
        urls = self.servers.urls
        return {
            "queue_url": urls.queue_url,
            "control_url": urls.control_url,
            "database_url": urls.database_url.replace("/activity?", f"/{database}?"),
        }

    @contextmanager
    def fresh(self, **more: object) -> Iterator[StorageSettings]:
        """Yield settings of empty Redis servers and an empty, migrated database.

        Only one block at a time may use them. A module that uses `running` can't use `settings` as
        well: both would share the queue.
        """
        assert not self._lent, f"{self._lent[0]} still uses these servers"
        name = f"test_{secrets.token_hex(6)}"
        settings = self.settings(name, **more)
        for url in (settings.queue_url, settings.control_url):
            with connect(url, EMPTY_SECONDS) as client:
                client.flushall()
        self.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
        self._lent.append(name)
        try:
            yield settings
        finally:
            self._lent.remove(name)
            self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def execute(self, statement: str, database: str = "activity") -> None:
        """Run one statement outside a transaction."""
        engine = sa.create_engine(
            self.settings(database).database_url, isolation_level="AUTOCOMMIT"
        )
        with engine.connect() as connection:
            connection.execute(sa.text(statement))
        engine.dispose()


@contextmanager
def test_servers() -> Iterator[TestServers]:
    """Start the servers and migrate the template database."""
    with data_folder() as folder, embedded_servers(folder) as servers:
        tests = TestServers(servers)
        tests.execute(f"CREATE DATABASE {TEMPLATE}")
        upgrade(tests.settings().database_url)
        yield tests


def environment(settings: StorageSettings, **more: object) -> dict[str, str]:
    """Return the environment variables that give a process the addresses of the servers."""
    values = {**settings.model_dump(), **more}
    given = {name: value for name, value in values.items() if value is not None}
    ours = {f"ACTIVITY_{name.upper()}": str(value) for name, value in given.items()}
    return {**{k: v for k, v in os.environ.items() if not k.startswith("ACTIVITY_")}, **ours}


test_servers.__test__ = False  # type: ignore[attr-defined]
