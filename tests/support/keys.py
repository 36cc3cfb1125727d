"""API keys whose tokens tests know, and the headers that carry them."""

import re
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import httpx

from api.auth.key_ring import KeyRing
from storage.access.api_key import ApiKey, Scope
from storage.access.key_queue import KeyQueue
from storage.access.key_records import KeyRecords
from storage.access.key_table import KeyTable
from storage.access.token import digest, id_of, new_token
from storage.postgres.engine import short_engine
from storage.redis.client import connect
from storage.settings import StorageSettings
from testbed.service import Service

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
ALL = tuple(Scope)


class TestKey(NamedTuple):
    """A key, and the token that its holder sends."""

    token: str
    key: ApiKey

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers of a request of its holder."""
        return {"authorization": f"Bearer {self.token}"}

    @property
    def value(self) -> bytes:
        """Return the value of the usual header."""
        return b"Bearer " + self.token.encode()


def masked(value: object) -> str:
    """Return the id of a test's parameter without its random tokens: it must not change."""
    return re.sub(r"[0-9A-Za-z_]{15,}", "TOKEN", str(value))[:60]


def new_key(*scopes: Scope, **fields: Any) -> TestKey:
    """Make a key with these scopes, by default all."""
    token = new_token()
    key = ApiKey(id_of(token), digest(token), "test", frozenset(scopes or ALL), LONG_AGO, **fields)
    return TestKey(token, key)


def records(*keys: TestKey | ApiKey) -> KeyRecords:
    """Return what a store with these keys has."""
    found = (one.key if isinstance(one, TestKey) else one for one in keys)
    return KeyRecords({key.id: key for key in found})


def ring_with(*keys: TestKey) -> KeyRing:
    """Return the keys of a process that has loaded these."""
    ring = KeyRing("required")
    ring.add_queue(records(*keys))
    return ring


def put_on_queue(settings: StorageSettings, *keys: TestKey | ApiKey) -> None:
    """Merge these keys into those on the queue."""
    with closing(connect(settings.queue_url)) as server:
        KeyQueue(server).merge(records(*keys).keys)


def on_queue(settings: StorageSettings) -> Mapping[str, ApiKey]:
    """Return the keys on the queue."""
    with closing(connect(settings.queue_url)) as server:
        return KeyQueue(server).load()[1].keys


def put_in_table(settings: StorageSettings, *keys: TestKey | ApiKey) -> None:
    """Merge these keys into those in PostgreSQL."""
    with short_engine(settings.database_url) as engine:
        KeyTable(engine).merge(records(*keys).keys)


@contextmanager
def client(running: Service, key: TestKey | None = None) -> Iterator[httpx.Client]:
    """Yield a client of the service that sends this key, or none."""
    headers = key.headers if key else {}
    with httpx.Client(
        base_url=running.url, timeout=30, trust_env=False, headers=headers
    ) as started:
        yield started


def revoked(key: TestKey, seconds: float = 0) -> ApiKey:
    """Return the record of the key, revoked so many seconds from now."""
    return key.key.revoked(datetime.now(UTC) + timedelta(seconds=seconds))


TestKey.__test__ = False  # type: ignore[attr-defined]
