"""Entries of a shard's stream as a batch of events; and those that are no events. Pure."""

import json
from bisect import bisect_right
from collections.abc import Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import blake2b
from uuid import UUID

from storage.model.event import (
    MAX_DATETIME_MS,
    Event,
    decode_event,
    derived_id,
    id_ms,
    readable_ids,
    to_datetime,
)
from storage.model.occurred_at import require_occurred_texts

Entry = tuple[bytes, dict[bytes, bytes]]
Name = bytes  # of an entry
EventIds = dict[bytes, bytes]  # entry -> id bytes

_FIELD = b"e"
_NOT_AN_EVENT = (KeyError, ValueError, OverflowError, RecursionError)
_LAST_MS = (1 << 48) - 1  # of what an id can hold
_LAST_SEQUENCE = (1 << 64) - 1
END = b"+"  # behind every entry
_REASON_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An entry that is no event: its bytes, and why it can't be read.

    `event_id` is that of the accepted event that it should be; empty where nobody has accepted
    it: somebody else has written it onto the stream.
    """

    entry: bytes
    raw: bytes
    reason: str
    event_id: bytes = b""

    def letter_id(self, shard: int) -> bytes:
        """Return the 16 bytes of its dead letter's id, the same each time the entry is read."""
        if self.event_id:
            return self.event_id
        ms = min(order(self.entry)[0], _LAST_MS)
        place = b"%d %b " % (shard, self.entry)
        return derived_id(ms, blake2b(place + self.raw, digest_size=10).digest())

    def letter_time(self, shard: int) -> datetime:
        """Return the `created_at` of its dead letter, which the id has too."""
        ms = id_ms(UUID(bytes=self.letter_id(shard)))
        return to_datetime(min(ms, MAX_DATETIME_MS))


@dataclass(frozen=True, slots=True)
class Erased:
    """What was erased of a batch: dropped entries, and the hours of changed events by erasure.

    An hour is the beginning of `created_at`, as `2026-11-28T12`.
    """

    entries: Set[bytes] = frozenset()
    hours: Set[tuple[UUID, str]] = frozenset()


@dataclass(frozen=True, slots=True)
class EntryBatch:
    """Entries read from a shard, in the stream's order.

    `ids` are those under which the index may know them, those of `events` first. `bytes` is the
    size of all entries. `erased`: what is not among the events any more.
    """

    events: list[Event]
    ids: list[bytes]
    entries: list[bytes]
    bytes: int
    unreadable: list[Unreadable] = field(default_factory=list)
    erased: Erased | None = None

    def count_behind(self, position: str) -> int:
        """How many of its entries come after that one of the stream (`0-0`: all)."""
        return len(self.entries) - bisect_right(self.entries, order(position.encode()), key=order)

    def count_erased_behind(self, position: str) -> int:
        """How many of the dropped entries come after that one of the stream."""
        start = order(position.encode())
        return sum(order(entry) > start for entry in self.erased.entries) if self.erased else 0

    def entries_of_events(self) -> list[Name]:
        """Return the entry of each event, in their order."""
        others = {unreadable.entry for unreadable in self.unreadable}
        if self.erased:
            others |= self.erased.entries
        return [entry for entry in self.entries if entry not in others]

    def identified(self, accepted: EventIds) -> "EntryBatch":
        """Return the batch with the ids of those unreadable entries that were accepted."""
        unreadable = [
            replace(one, event_id=accepted.get(one.entry, b"")) for one in self.unreadable
        ]
        ids = [*self.ids, *(one.event_id for one in unreadable if one.event_id)]
        return replace(self, ids=ids, unreadable=unreadable)


def size_of(entries: Sequence[Entry]) -> int:
    """Return the bytes of their events."""
    return sum([len(fields.get(_FIELD, b"")) for _, fields in entries])


def read_batch(entries: Sequence[Entry], size: int) -> EntryBatch | None:
    """Return the entries as a batch; None if there are none."""
    if not entries:
        return None
    names = [entry for entry, _ in entries]
    try:
        events, ids = _read([fields[_FIELD] for _, fields in entries])
    except _NOT_AN_EVENT:
        return _sift(entries, names, size)
    return EntryBatch(events, ids, names, size)


def read_event(raw: bytes) -> Event:
    """Return the event of these bytes. Raises ValueError, which says why they are no event."""
    try:
        return _read([raw])[0][0]
    except _NOT_AN_EVENT as error:
        raise ValueError(_reason(error)) from error


def _read(values: Sequence[bytes]) -> tuple[list[Event], list[bytes]]:
    joined = b"\n".join(values)
    if not joined.isascii():
        str(joined, "utf-8")  # nobody else looks at the text inside `data`
    events = list(map(decode_event, values))
    require_occurred_texts([event.occurred_at for event in events if event.occurred_at])
    return events, readable_ids(events)


def _sift(entries: Sequence[Entry], names: list[bytes], size: int) -> EntryBatch:
    """Read entry by entry, because at least one is no event."""
    batch = EntryBatch([], [], names, size)
    for entry, fields in entries:
        try:
            events, ids = _read([fields[_FIELD]])
        except _NOT_AN_EVENT as error:
            batch.unreadable.append(Unreadable(entry, _bytes_of(fields), _reason(error)))
        else:
            batch.events.extend(events)
            batch.ids.extend(ids)
    return batch


def _bytes_of(fields: dict[bytes, bytes]) -> bytes:
    """Return the field `e` if it is the only one, else all fields as a JSON object.

    There each character of a name or value stands for the byte of that number.
    """
    if set(fields) == {_FIELD}:
        return fields[_FIELD]
    text = {name.decode("latin-1"): value.decode("latin-1") for name, value in fields.items()}
    return json.dumps(text).encode()


def _reason(error: Exception) -> str:
    if isinstance(error, KeyError):
        return "no event: the entry has no field `e`"
    if isinstance(error, RecursionError):
        return "no event: nested too deeply"
    return f"no event: {error}"[:_REASON_CHARACTERS]


def order(entry: bytes) -> tuple[int, int]:
    """Return an entry's position in its stream: milliseconds and sequence number."""
    ms, sequence = entry.split(b"-")
    return int(ms), int(sequence)


def next_entry(entry: bytes) -> bytes:
    """Return the next possible entry id; END after the last possible one."""
    ms, sequence = order(entry)
    if ms == sequence == _LAST_SEQUENCE:
        return END
    if sequence == _LAST_SEQUENCE:
        return b"%d-0" % (ms + 1)
    return b"%d-%d" % (ms, sequence + 1)
