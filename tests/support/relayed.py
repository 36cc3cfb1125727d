"""The three servers behind relays, each of which can be taken away and brought back."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from sqlalchemy.engine import make_url

from storage.redis_hosts import names_cluster
from storage.settings import StorageSettings
from tests.support.relay import Relay

_POSTGRES_SOCKET = ".s.PGSQL.5432"


class RelayedServers:
    """Relays on unix sockets in `folder`, by role, and the `settings` that name them.

    A cluster has none: its nodes tell clients their own addresses.
    """

    def __init__(self, folder: Path, settings: StorageSettings) -> None:
        database = make_url(settings.database_url)
        self._servers = {
            "postgres": f"{database.query['host']}/{_POSTGRES_SOCKET}",
            "control": unquote(urlsplit(settings.control_url).path),
        }
        queue_url = settings.queue_url
        if not names_cluster(queue_url):
            self._servers["queue"] = unquote(urlsplit(queue_url).path)
            queue_url = f"unix://{folder}/queue"
        self._folder = folder
        self.relays: dict[str, Relay] = {}
        self.settings = StorageSettings(
            database_url=database.set(query={"host": str(folder)}).render_as_string(False),
            queue_url=queue_url,
            control_url=f"unix://{folder}/control",
            shards=settings.shards,
            _env_file=None,
        )
        for role in self._servers:
            self.bring_back(role)

    def take_away(self, role: str) -> None:
        """End every connection to the server, and let nobody connect. Skips a test of a cluster."""
        if role not in self._servers:
            pytest.skip("no relay can stand in front of a cluster")
        self.relays.pop(role).close()
        self._path(role).unlink()

    def bring_back(self, role: str) -> None:
        """Let clients connect to the server."""
        self.relays[role] = Relay(self._path(role), self._servers[role])

    def mute(self, role: str) -> None:
        """Let the server answer nothing any more; clients can still connect."""
        self.take_away(role)
        self.relays[role] = Relay(self._path(role), self._servers[role], lambda said: b"")

    def _path(self, role: str) -> Path:
        return self._folder / (_POSTGRES_SOCKET if role == "postgres" else role)


@contextmanager
def relayed_servers(settings: StorageSettings) -> Iterator[RelayedServers]:
    """Put a relay in front of each server of these settings."""
    with tempfile.TemporaryDirectory() as folder:
        servers = RelayedServers(Path(folder), settings)
        try:
            yield servers
        finally:
            for relay in servers.relays.values():
                relay.close()
