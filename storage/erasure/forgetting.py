"""Forget what the queue and control still hold: n-grams, cached pages, and the queue's log."""

from typing import Any
from uuid import UUID

import redis
import sqlalchemy as sa

from storage.erasure import touched
from storage.erasure.records import Erasure
from storage.events import ngrams
from storage.postgres.engine import transaction
from storage.redis import keys
from storage.redis.cluster import to_each_primary
from storage.server_errors import control_errors, queue_errors

_SCANNED = 1_000
_PERSISTENCE = "persistence"


def forget_ngrams(engine: sa.Engine, record: Erasure) -> None:
    """Delete the n-grams of the spans that were touched; maintenance records them again.

    Raises DatabaseUnavailable.
    """
    with transaction(engine) as connection:
        hours = touched.hours(connection, record.id)
        ngrams.forget_late_spans(connection, hours)


def forget_pages(control: redis.Redis) -> None:
    """Delete every page and every closed day of the cache. Raises ControlUnavailable."""
    for kind in (keys.page("*"), keys.EVERY_DAY):
        with control_errors():
            some: list[bytes] = []
            for key in control.scan_iter(kind, count=_SCANNED):
                some.append(key)
                if len(some) == _SCANNED:
                    control.delete(*some)
                    some.clear()
            if some:
                control.delete(*some)


class LogRewrite:
    """The rewriting of the AOF of each primary: what was trimmed stays in it until then."""

    def __init__(self, queue: redis.Redis) -> None:
        self._queue = queue
        self._begun: set[tuple[UUID, str]] = set()

    def is_done(self, erasure: UUID) -> bool:
        """Begin one for this erasure, or return whether it is done. Raises QueueUnavailable."""
        with queue_errors():
            servers = to_each_primary(self._queue)
            done = [self._is_done_by((erasure, name), to) for name, to in servers.items()]
        if not all(done):
            return False
        self._begun = {each for each in self._begun if each[0] != erasure}
        return True

    def _is_done_by(self, rewrite: tuple[UUID, str], to: dict[str, Any]) -> bool:
        found = self._queue.info(_PERSISTENCE, **to)
        assert isinstance(found, dict)
        if not found.get("aof_enabled"):
            return True
        if found["aof_rewrite_in_progress"] or found["aof_rewrite_scheduled"]:
            return False
        if rewrite in self._begun and found["aof_last_bgrewrite_status"] == "ok":
            return True
        # One that was under way before may have read the dataset before the trimming.
        self._queue.bgrewriteaof(**to)
        self._begun.add(rewrite)
        return False
