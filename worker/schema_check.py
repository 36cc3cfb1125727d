"""Refuse to work on a database whose tables are those of a later version."""

import logging
import time
from contextlib import suppress

from storage.errors import DatabaseMismatch, SchemaTooNew, StorageError, Unavailable
from storage.postgres.schema import require_known_schema
from storage.queue import counters
from storage.queue.lease import ShardLease
from storage.redis.client import connect
from storage.settings import StorageSettings
from worker.activities import NEWER_SCHEMA
from worker.progress import report

PAUSE_SECONDS = 5.0
_LOG_SECONDS = 60.0

log = logging.getLogger(__name__)


def wait_for_known_schema(settings: StorageSettings) -> None:
    """Return once workers of this version may write; at once if PostgreSQL can't be asked.

    Until then the log, the slot of this process (for probes) and each shard with events say why.
    """
    logged = -_LOG_SECONDS
    while (refused := _refusal(settings)) is not None:
        report(NEWER_SCHEMA)
        if time.monotonic() - logged >= _LOG_SECONDS:
            log.error("this worker takes no events: %s", refused)
            logged = time.monotonic()
        with suppress(StorageError):
            _tell_shards(settings, str(refused))
        time.sleep(PAUSE_SECONDS)


def _refusal(settings: StorageSettings) -> SchemaTooNew | None:
    try:
        require_known_schema(settings.database_url)
    except SchemaTooNew as error:
        return error
    except (Unavailable, DatabaseMismatch):
        pass  # each drain asks again
    return None


def _tell_shards(settings: StorageSettings, reason: str) -> None:
    """Record the reason with each shard that has events and no drain, for `GET /status`."""
    with connect(settings.queue_url) as queue:
        for shard in range(counters.shards_of(queue, settings.shards)):
            if counters.backlog(queue, shard):
                ShardLease(queue, shard, lease_ms=0).fail(reason)
