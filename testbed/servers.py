"""Real PostgreSQL and Valkey for the whole run; a database of its own for each test."""

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import redis
import sqlalchemy as sa

from cli.embedded import Servers, embedded_servers
from storage.postgres.migrate import upgrade
from storage.settings import StorageSettings

TEMPLATE = "activity_template"


@contextmanager
def data_folder() -> Iterator[Path]:
    """An empty folder that the servers' unprivileged user can reach, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="activity-"))
    folder.chmod(0o755)
    try:
        yield folder / "data"
    finally:
        shutil.rmtree(folder)


@dataclass(frozen=True)
class TestServers:
    """The run's servers, with a migrated database to copy."""

    __test__ = False
    servers: Servers
    _lent: list[str] = field(default_factory=list)

    def settings(self, database: str = TEMPLATE, **more: object) -> StorageSettings:
        """Settings that point at them."""
        urls = self.servers.urls
        return StorageSettings(
            queue_url=urls.queue_url,
            control_url=urls.control_url,
            database_url=urls.database_url.replace("/activity?", f"/{database}?"),
            _env_file=None,
            **more,  # type: ignore[arg-type]
        )

    @contextmanager
    def fresh(self, **more: object) -> Iterator[StorageSettings]:
        """Empty Redis servers and an empty, migrated database, one borrower at a time.

        A module that uses `running` can't use `settings` too: both would share the queue.
        """
        assert not self._lent, f"{self._lent[0]} still uses these servers"
        urls = self.servers.urls
        for url in (urls.queue_url, urls.control_url):
            with redis.Redis.from_url(url) as client:
                client.flushall()
        name = f"test_{secrets.token_hex(6)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
        self._lent.append(name)
        try:
            yield self.settings(name, **more)
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
    """Start them and migrate the template."""
    with data_folder() as folder, embedded_servers(folder) as servers:
        tests = TestServers(servers)
        tests.execute(f"CREATE DATABASE {TEMPLATE}")
        upgrade(tests.settings().database_url)
        yield tests


def environment(settings: StorageSettings, **more: object) -> dict[str, str]:
    """An environment that tells a process of ours where the servers are."""
    values = {**settings.model_dump(), **more}
    ours = {f"ACTIVITY_{name.upper()}": str(value) for name, value in values.items()}
    return {**{k: v for k, v in os.environ.items() if not k.startswith("ACTIVITY_")}, **ours}


test_servers.__test__ = False  # type: ignore[attr-defined]
