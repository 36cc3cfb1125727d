"""Both homes of API keys together: merge one into the other, and write into both."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

import redis
import sqlalchemy as sa

from storage.access.api_key import ApiKey
from storage.access.audit import AuditLine, Place, newest_lines
from storage.access.key_queue import KeyQueue
from storage.access.key_records import MAX_KEYS, KeyRecords
from storage.access.key_table import KeyTable
from storage.access.pending_audit import pending_lines
from storage.errors import NoHome, StorageError, TooManyKeys
from storage.failures import reason

QUEUE, TABLE = "the queue", "PostgreSQL"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answers(Generic[T]):
    """What the homes have answered, and why one of them has failed, each by the home's name."""

    answers: Mapping[str, T]
    failures: Mapping[str, StorageError]


class KeyHomes:
    """The acts of an administrator on both homes: one of them may be away."""

    def __init__(self, queue: redis.Redis, engine: sa.Engine) -> None:
        self._client, self._engine = queue, engine
        self._queue = KeyQueue(queue)
        self._table = KeyTable(engine)

    def load(self) -> Answers[KeyRecords]:
        """Return the records of each home that answers. Raises NoHome if none does."""
        return _ask_each({QUEUE: lambda: self._queue.load()[1], TABLE: self._table.load})

    def put(self, keys: Sequence[ApiKey], line: AuditLine) -> Answers[None]:
        """Merge records into both homes, each in one step with the audit line.

        Maintenance merges what a home that has failed lacks. Raises NoHome if both have failed.
        """
        records = {key.id: key for key in keys}
        return _ask_each(
            {
                QUEUE: lambda: self._queue.merge(records, line, MAX_KEYS),
                TABLE: lambda: self._table.merge(records, [line], MAX_KEYS),
            }
        )

    def audit_lines(
        self, since: datetime, limit: int, before: Place | None = None
    ) -> Answers[Sequence[AuditLine]]:
        """Return the lines of the audit log since an instant: the newest of each home.

        `before`: only those before this place, of PostgreSQL; the queue has few (`merged_lines`).

        The queue has those that PostgreSQL lacks, and maybe some that it has too. Raises NoHome.
        """
        return _ask_each(
            {
                QUEUE: lambda: [one for one in pending_lines(self._client) if one.at >= since],
                TABLE: lambda: newest_lines(self._engine, since, limit, before),
            }
        )


def _ask_each(calls: Mapping[str, Callable[[], T]]) -> Answers[T]:
    """Ask the homes at once: one that hangs must not keep a revocation from the other."""
    answers: dict[str, T] = {}
    failures: dict[str, StorageError] = {}
    with ThreadPoolExecutor(len(calls), "key-home") as threads:
        asked = {name: threads.submit(call) for name, call in calls.items()}
    for name, future in asked.items():
        try:
            answers[name] = future.result()
        except StorageError as error:
            failures[name] = error
    if not answers:
        reasons = "; ".join(_told(name, reason(error)) for name, error in failures.items())
        raise NoHome(f"neither the queue nor PostgreSQL can do this now ({reasons})")
    return Answers(answers, failures)


def _told(home: str, why: str) -> str:
    return why if why.startswith(home) else f"{home}: {why}"


def require_room(records: KeyRecords) -> None:
    """Raise TooManyKeys if no other key may be made."""
    count = len(records.keys.keys() | records.unreadable)
    if count >= MAX_KEYS:
        raise TooManyKeys(f"there are {count:,} API keys, and at most {MAX_KEYS:,} can be made")


def merge_homes(queue: KeyQueue, table: KeyTable) -> frozenset[str]:
    """Merge the homes into each other. Return the ids whose record one of them can't read.

    These are left as they are. The merge may be repeated, and may run in several processes at once.
    Raises QueueUnavailable, DatabaseUnavailable, DatabaseMismatch, TooManyKeys.
    """
    on_queue, in_table = queue.load()[1], table.load()
    merged = on_queue.merge(in_table)
    usable = {k: key for k, key in merged.keys.items() if k not in merged.unreadable}
    queue.merge(_lacking(on_queue, usable))
    table.merge(_lacking(in_table, usable))
    return merged.unreadable


def _lacking(home: KeyRecords, merged: Mapping[str, ApiKey]) -> dict[str, ApiKey]:
    return {key_id: key for key_id, key in merged.items() if home.keys.get(key_id) != key}
