"""Whether the service may start without a key, given where it listens."""

import logging
from collections.abc import Callable
from contextlib import closing, suppress

from api.auth.policy import Auth
from storage.access.key_queue import KeyQueue
from storage.access.key_records import KeyRecords
from storage.access.key_table import KeyTable
from storage.errors import DatabaseMismatch, StorageError
from storage.postgres.engine import short_engine
from storage.redis.client import connect
from storage.settings import StorageSettings

log = logging.getLogger(__name__)

_NO_KEY = (
    "{host} can be reached from other machines, and there is no API key. Do one of these: start on "
    "{host} with ACTIVITY_AUTH=required, which refuses all requests until you make a key with "
    "`activity keys create` (with the --data-dir of `activity up`); name a file for the first "
    "admin key in ACTIVITY_ADMIN_KEY_FILE, which `activity up` and `activity migrate` make; or "
    "give --insecure to let everyone in until the first key exists"
)


PLAIN_HTTP_REMEDY = (
    "serve HTTPS (--tls-cert and --tls-key, or ACTIVITY_TLS_CERT and ACTIVITY_TLS_KEY), or let "
    "only a proxy with TLS reach the port"
)


class NoKey(Exception):
    """The service would be reachable from other machines without a key; the text has remedies."""


def require_key(storage: StorageSettings, auth: Auth, insecure: bool, host: str) -> None:
    """Raise NoKey if the service listens for other machines, and both homes have no key.

    If a home can't be asked, nothing is raised: then nobody is let in without a key anyway.
    """
    if auth == "auto" and not insecure and _has_no_key(storage):
        raise NoKey(_NO_KEY.format(host=host))


def warn_of_plain_http(auth: Auth, host: str) -> None:
    """Warn that keys can be read on the way, if the service needs keys and listens for others."""
    if auth != "open":
        log.warning(
            "the API listens on %s with plain HTTP: whoever can read the traffic can read API keys "
            "in it; %s",
            host,
            PLAIN_HTTP_REMEDY,
        )


def _has_no_key(storage: StorageSettings) -> bool:
    return _is_empty(lambda: _on_queue(storage)) and _is_empty(lambda: _in_table(storage))


def _is_empty(load: Callable[[], KeyRecords]) -> bool:
    with suppress(StorageError):
        records = load()
        return not records.keys and not records.unreadable
    return False


def _on_queue(storage: StorageSettings) -> KeyRecords:
    with closing(connect(storage.queue_url)) as client:
        return KeyQueue(client).load()[1]


def _in_table(storage: StorageSettings) -> KeyRecords:
    with short_engine(storage.database_url) as engine:
        try:
            return KeyTable(engine).load()
        except DatabaseMismatch:  # not migrated yet
            return KeyRecords()
