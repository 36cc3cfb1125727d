"""The API key of the measured service: it is measured as others use it, with keys and limits."""

from contextlib import closing
from datetime import UTC, datetime

from storage.access.api_key import ApiKey, Scope
from storage.access.key_queue import KeyQueue
from storage.access.token import digest, id_of, new_token
from storage.redis.client import connect
from storage.settings import StorageSettings

_EVENTS_PER_SECOND = 1_000_000  # a limit that is counted and never reached


def make_key(settings: StorageSettings) -> str:
    """Put a key with a limit on the queue, and return the value of its header."""
    token = new_token()
    scopes = frozenset(Scope)
    key = ApiKey(
        id_of(token),
        digest(token),
        "benchmark",
        scopes,
        datetime.now(UTC),
        events_per_second=_EVENTS_PER_SECOND,
    )
    with closing(connect(settings.queue_url)) as queue:
        KeyQueue(queue).merge({key.id: key})
    return f"Bearer {token}"
