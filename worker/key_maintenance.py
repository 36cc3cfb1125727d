"""Maintenance of API keys: merges their two homes, and moves audit lines into PostgreSQL.

It is safe in every process at once.
"""

import redis
import sqlalchemy as sa

from storage.access.homes import merge_homes
from storage.access.key_queue import KeyQueue
from storage.access.key_table import KeyTable
from storage.access.pending_audit import move_lines
from storage.errors import AccessError, StorageError, UnreadableKey
from storage.periodic import STOP_SECONDS, PeriodicThread
from storage.redis import keys as names

PERIOD_SECONDS = 60
_MAX_NAMED = 5


class KeyMaintenance(PeriodicThread):
    """A thread that maintains API keys at its start and then every PERIOD_SECONDS.

    It is not a step of `Maintenance`: neither waits for the other, nor fails with it.
    """

    def __init__(self, queue: redis.Redis, engine: sa.Engine) -> None:
        super().__init__("maintenance of API keys", PERIOD_SECONDS, at_once=True)
        self._queue = queue
        self._engine = engine

    def stop(self, seconds: float | None = STOP_SECONDS) -> None:
        """End the thread after the current round, and close the connections."""
        super().stop(seconds)
        self._queue.close()
        self._engine.dispose()

    def run_once(self) -> None:
        """Merge the homes, and move the audit lines, whether or not the merge fails.

        Raises QueueUnavailable, DatabaseUnavailable, DatabaseMismatch, and AccessError for what one
        of the homes has instead of keys, after all else is done.
        """
        failed: StorageError | None = None
        for step in (self._merge, self._move):
            try:
                step()
            except StorageError as error:
                failed = failed or error
        if failed:
            raise failed

    def _merge(self) -> None:
        unreadable = sorted(merge_homes(KeyQueue(self._queue), KeyTable(self._engine)))
        if unreadable:
            raise UnreadableKey(
                f"{len(unreadable)} records of API keys can't be read, and nobody may use these "
                f"keys: {', '.join(map(ascii, unreadable[:_MAX_NAMED]))}; another version of the "
                "service, or somebody else, wrote them into the queue's hash "
                f"{names.API_KEYS} or the table api_keys"
            )

    def _move(self) -> None:
        if count := move_lines(self._queue, self._engine):
            raise AccessError(
                f"{count} entries of the queue's list {names.PENDING_AUDIT} are no audit lines: "
                "another version of the service, or somebody else, wrote them"
            )
