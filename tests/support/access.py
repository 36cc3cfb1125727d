"""API keys and their two homes for tests."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import redis
import sqlalchemy as sa

from storage.access import token
from storage.access.api_key import ApiKey, Scope
from storage.access.key_queue import KeyQueue
from storage.access.key_table import KeyTable
from storage.postgres.engine import plain_engine
from storage.redis import keys as names
from storage.redis.client import connect
from storage.settings import StorageSettings

START = datetime(2026, 1, 1, tzinfo=UTC)
QUEUE_AWAY = "redis://127.0.0.1:1/0"
DATABASE_AWAY = "postgresql+psycopg2:///activity?host=/nonexistent"


def make_key(name: str = "billing", **more: Any) -> ApiKey:
    """Return the record of a new key."""
    text = token.new_token()
    fields: dict[str, Any] = {"scopes": frozenset({Scope.WRITE}), "created_at": START, **more}
    return ApiKey(token.id_of(text), token.digest(text), name, **fields)


def full_key() -> ApiKey:
    """Return a key in which every field has a value."""
    return make_key(
        "a name – with ünïcode",
        scopes=frozenset(Scope),
        components=("pay-*", "auth"),
        environments=("prod",),
        events_per_second=5000,
        events_per_day=10**9,
        origins=("https://a.example.com",),
        expires_at=datetime(2027, 1, 1, 12, 0, 0, 123456, tzinfo=UTC),
        revoked_at=datetime(2026, 6, 1, tzinfo=UTC),
        last_used_at=datetime(2026, 5, 1, tzinfo=UTC),
    )


@dataclass(frozen=True)
class Homes:
    """Both homes of keys on running servers, and old copies of them."""

    client: redis.Redis
    engine: sa.Engine

    @property
    def queue(self) -> KeyQueue:
        return KeyQueue(self.client)

    @property
    def table(self) -> KeyTable:
        return KeyTable(self.engine)

    def copy_queue(self) -> dict[str, Any]:
        """Return what `restore_queue` puts back."""
        return {name: self.client.dump(name) for name in (names.API_KEYS, names.API_KEYS_VERSION)}

    def restore_queue(self, copy: dict[str, Any]) -> None:
        """Put an older copy of the queue back."""
        for name, dump in copy.items():
            self.client.delete(name)
            if dump is not None:
                self.client.restore(name, 0, dump)

    def copy_table(self) -> None:
        """Keep a copy of the table, for `restore_table`."""
        with self.engine.begin() as connection:
            connection.execute(sa.text("DROP TABLE IF EXISTS saved"))
            connection.execute(sa.text("CREATE TABLE saved AS TABLE api_keys"))

    def restore_table(self) -> None:
        """Put the older copy of the table back."""
        with self.engine.begin() as connection:
            connection.execute(sa.text("DELETE FROM api_keys"))
            connection.execute(sa.text("INSERT INTO api_keys SELECT * FROM saved"))


@contextmanager
def homes_of(settings: StorageSettings) -> Iterator[Homes]:
    """Yield the homes on these servers."""
    engine = plain_engine(settings.database_url, 8)
    with connect(settings.queue_url) as client:
        yield Homes(client, engine)
    engine.dispose()
