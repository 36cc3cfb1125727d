"""The home of API keys on the queue: the hash `keys`, and a version that tells of each change.

The version is a random text, and not a number: after a restart from an older copy of the queue, two
changes could have the same number. So compare versions for equality only.
"""

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import redis

from storage.access.api_key import ApiKey
from storage.access.audit import AuditLine, encode_line
from storage.access.key_json import UnreadableRecord, decode_key, encode_key
from storage.access.key_records import MAX_RECORDS, KeyRecords, shown_id
from storage.errors import QueueUnavailable, TooManyAuditLines, TooManyKeys, UnreadableKey
from storage.redis import keys as names
from storage.redis.script_runner import Argument, run
from storage.server_errors import queue_errors

MAX_AUDIT_LINES = 10_000
_CHUNK = 500  # records of one call
_TRIES = 20
_CHANGED, _KEYS_FULL, _AUDIT_FULL = 0, -1, -2


class KeyQueue:
    """Reads and merges the records on the queue. Every call raises QueueUnavailable."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._names = names.api_key_names(client)

    def version(self) -> str:
        """Return the version, '' if there is none. Another version: load the keys again."""
        with queue_errors():
            version: Any = self._client.get(self._names.version)
        return _text(version or b"")

    def load(self) -> tuple[str, KeyRecords]:
        """Return the version, and every record that it has. Raises TooManyKeys too."""
        with queue_errors():
            version, count, flat = run(
                self._client,
                "queue/load_keys",
                [self._names.keys, self._names.version],
                [MAX_RECORDS],
            )
        if count > MAX_RECORDS:
            raise TooManyKeys(f"the hash {names.API_KEYS} of the queue has {count:,} fields")
        return _text(version), _records(dict(zip(flat[::2], flat[1::2], strict=True)))

    def merge(
        self,
        keys: Mapping[str, ApiKey],
        line: AuditLine | None = None,
        max_records: int = MAX_RECORDS,
    ) -> None:
        """Merge these records into the hash, and add an audit line in the same step.

        Raises UnreadableKey; TooManyKeys if a new record would exceed `max_records`;
        TooManyAuditLines. Then nothing has changed, if there are no more than 500 records.
        """
        for chunk in _chunks(keys):
            for _ in range(_TRIES):
                puts = _puts(chunk, self._present(chunk))
                if self._put(puts, line, max_records):
                    break
            else:
                raise QueueUnavailable("other processes change the same API keys all the time")
            line = None

    def record_use(self, uses: Mapping[str, datetime]) -> None:
        """Record when keys were last used. The version stays.

        Skips keys that the queue does not have or whose record can't be read.
        """
        known = _records(self._present(uses)).keys
        self.merge({key_id: key.used(uses[key_id]) for key_id, key in known.items()})

    def _present(self, key_ids: Iterable[str]) -> dict[bytes, bytes]:
        """Return those records that the queue has, as it has them."""
        ids = [key_id.encode() for key_id in key_ids]
        with queue_errors():
            found: list[Any] = self._client.hmget(names.API_KEYS, ids) if ids else []
        return {one: raw for one, raw in zip(ids, found, strict=True) if raw is not None}

    def _put(self, puts: "_Puts", line: AuditLine | None, max_records: int) -> bool:
        """Put records, and add the line. Return False if a record has changed since it was read."""
        if not puts.arguments and line is None:
            return True
        version = secrets.token_hex(16) if puts.is_new_version else ""
        audit = encode_line(line) if line else b""
        with queue_errors():
            answer = run(
                self._client,
                "queue/put_keys",
                self._names,
                [version, max_records, audit, MAX_AUDIT_LINES, *puts.arguments],
            )
        if answer == _KEYS_FULL:
            raise TooManyKeys(f"the queue has {max_records:,} API keys already, the maximum")
        if answer == _AUDIT_FULL:
            raise TooManyAuditLines(
                f"{MAX_AUDIT_LINES:,} audit lines wait on the queue for PostgreSQL: nothing was "
                "changed; try again when PostgreSQL is reachable and workers have run for a minute"
            )
        return bool(answer != _CHANGED)


@dataclass(frozen=True, slots=True)
class _Puts:
    """The last arguments of `put_keys.lua`, and whether they change more than the last use."""

    arguments: Sequence[Argument]
    is_new_version: bool


def _puts(keys: Mapping[str, ApiKey], present: Mapping[bytes, bytes]) -> _Puts:
    """Return what merges the records into those that are present. Raises UnreadableKey."""
    arguments: list[Argument] = []
    is_new_version = False
    for key_id, key in keys.items():
        raw = present.get(key_id.encode(), b"")
        before = _require_readable(key_id, raw) if raw else None
        merged = before.merge(key) if before else key
        if merged != before:
            arguments += [key_id, raw, encode_key(merged)]
            is_new_version |= before is None or _without_use(merged) != _without_use(before)
    return _Puts(arguments, is_new_version)


def _without_use(key: ApiKey) -> ApiKey:
    return replace(key, last_used_at=None)


def _require_readable(key_id: str, raw: bytes) -> ApiKey:
    try:
        return decode_key(key_id, raw)
    except UnreadableRecord as error:
        raise UnreadableKey(
            f"the queue has something else in the place of the API key {key_id} ({error}): "
            f"delete it (HDEL {names.API_KEYS} {key_id}), or use the version that has written it"
        ) from None


def _records(found: Mapping[bytes, bytes]) -> KeyRecords:
    keys, unreadable = {}, set()
    for field, raw in found.items():
        key_id = _text(field)
        try:
            keys[key_id] = decode_key(key_id, raw)
        except UnreadableRecord:
            unreadable.add(shown_id(key_id))
    return KeyRecords(keys, frozenset(unreadable))


def _chunks(keys: Mapping[str, ApiKey]) -> Iterator[dict[str, ApiKey]]:
    """Yield the records in parts; one part without any if there are none."""
    items = list(keys.items())
    for at in range(0, max(len(items), 1), _CHUNK):
        yield dict(items[at : at + _CHUNK])


def _text(raw: bytes) -> str:
    return raw.decode(errors="backslashreplace")
