"""Erase a person: drop their events, and write over their address in those of others. Pure.

An address is compared as everywhere: ASCII letters in any case. Inside a text it stands alone: no
ASCII letter or digit is right before it or behind it, so that `ann@b.com` stays where `nn@b.co` is
erased. What parts words (`export_ann@b.com.csv`) and the end of an escape (`%3Cann@b.com`) part the
address too.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from uuid import UUID

import msgspec

from storage.model.entries import EntryBatch, Erased, Unreadable, order
from storage.model.event import Event, created_ms
from storage.model.normal_form import lower_ascii

ERASED = "[erased]"

# Not behind a letter or a digit, unless that ends an escape.
_BEFORE = r"(?:(?<![A-Za-z0-9])|(?<=\\[nrtbf])|(?<=\\u[0-9A-Fa-f]{4})|(?<=%[0-9A-Fa-f]{2}))"
_BEHIND = r"(?![A-Za-z0-9])"
# Passes over each escape of JSON as a whole, so that no match begins within one.
_ESCAPES = r"|\\u[0-9A-Fa-f]{4}|\\."
_may_hide_ascii = re.compile(rb"\\u00[2-7]").search


@dataclass(frozen=True, slots=True)
class Address:
    """An e-mail address that is erased, in lower case."""

    text: str

    @classmethod
    def of(cls, email: str) -> "Address":
        """Return the address as it is compared."""
        return cls(lower_ascii(email))

    def is_that_of(self, email: object) -> bool:
        """Return whether an email is this one."""
        return isinstance(email, str) and lower_ascii(email) == self.text

    def redact(self, text: str) -> str:
        """Write ERASED over the address in a text."""
        return _in_text(self.text).sub(ERASED, text)

    def redact_json(self, raw: bytes) -> bytes:
        """Write ERASED over the address in the strings of JSON, also where JSON escapes it."""
        return _in_json(self.text).sub(_replacement, raw)


@dataclass(frozen=True, slots=True)
class Tombstone:
    """What drains erase: events created before `before_ms` (since the epoch)."""

    erasure: UUID
    address: Address
    before_ms: int

    def encode(self) -> bytes:
        """Return the value of its field on the queue."""
        return json.dumps([self.address.text, self.before_ms]).encode()

    @classmethod
    def decode(cls, erasure: bytes, value: bytes) -> "Tombstone":
        """Return the tombstone of a field on the queue. Raises ValueError."""
        text, before_ms = json.loads(value)
        return cls(UUID(erasure.decode()), Address.of(text), int(before_ms))


def nothing_is_kept(_: Event | Unreadable) -> bool:
    """Tell that no legal hold keeps it."""
    return False


def erase(
    batch: EntryBatch,
    tombstones: Sequence[Tombstone],
    keeps: Callable[[Event], bool] = nothing_is_kept,
) -> EntryBatch:
    """Return the batch without the events of these persons, and without their addresses.

    `keeps`: whether an event that would be erased must stay as it is. Entries that can't be read
    are left for `erase_unreadable`.
    """
    found = _Found(keeps)
    for stone in tombstones:
        batch = _erase_one(batch, stone, found)
    return _with(batch, found)


def erase_unreadable(
    batch: EntryBatch,
    tombstones: Sequence[Tombstone],
    keeps: Callable[[Unreadable], bool] = nothing_is_kept,
) -> EntryBatch:
    """Return the batch without the entries that can't be read and are of these persons.

    `keeps`: whether an entry that would be erased must stay as it is. Identify the entries first:
    the queue's index must forget those that are dropped, too.
    """
    found, left = _Found(), []
    for entry in batch.unreadable:
        erased = _erased_entry(entry, tombstones)
        if erased != entry and keeps(entry):
            left.append(entry)
        elif erased is None:
            found.entries.add(entry.entry)
        else:
            left.append(erased)
    return _with(replace(batch, unreadable=left), found)


def redacted(event: Event, address: Address) -> Event:
    """Return the event without the address in its message and its data."""
    message, data = event.message, bytes(event.data)
    new_message, new_data = address.redact(message), address.redact_json(data)
    if new_message == message and new_data == data:
        return event
    return msgspec.structs.replace(event, message=new_message, data=msgspec.Raw(new_data))


class _Found:
    """What was dropped, and which hours were touched for which erasure.

    `keeps`: see `erase`.
    """

    def __init__(self, keeps: Callable[[Event], bool] = nothing_is_kept) -> None:
        self.keeps = keeps
        self.entries: set[bytes] = set()
        self.hours: set[tuple[UUID, str]] = set()

    def add(self, stone: Tombstone, event: Event) -> None:
        self.hours.add((stone.erasure, event.created_at[:13]))


def _erase_one(batch: EntryBatch, stone: Tombstone, found: _Found) -> EntryBatch:
    owned = _owned(batch.events, stone, found)
    events = batch.events
    if _may_name(events, stone.address):
        events = [_redacted_before(event, stone, found) for event in events]
    if not owned:
        return batch if events is batch.events else replace(batch, events=events)
    for place in owned:
        found.add(stone, batch.events[place])
    return _without(replace(batch, events=events), owned, found)


def _owned(events: Sequence[Event], stone: Tombstone, found: _Found) -> set[int]:
    """Return the places of the events to drop; one search shows that a batch has none."""
    address = stone.address
    if address.text not in "\n".join([event.email or "" for event in events]).lower():
        return set()
    return {
        place
        for place, event in enumerate(events)
        if address.is_that_of(event.email)
        and created_ms(event) < stone.before_ms
        and not found.keeps(event)
    }


def _without(batch: EntryBatch, places: set[int], found: _Found) -> EntryBatch:
    """Drop the events at these places. Their ids follow those of the others, as they stay known."""
    unreadable = {one.entry for one in batch.unreadable} | found.entries
    readable = [entry for entry in batch.entries if entry not in unreadable]
    kept = [place for place in range(len(batch.events)) if place not in places]
    count = len(batch.events)
    dropped_ids = [batch.ids[place] for place in sorted(places)]
    found.entries |= {readable[place] for place in places}
    return replace(
        batch,
        events=[batch.events[place] for place in kept],
        ids=[*(batch.ids[place] for place in kept), *dropped_ids, *batch.ids[count:]],
    )


def _redacted_before(event: Event, stone: Tombstone, found: _Found) -> Event:
    if created_ms(event) >= stone.before_ms or not _may_name([event], stone.address):
        return event
    changed = redacted(event, stone.address)
    if changed is event or found.keeps(event):
        return event
    found.add(stone, event)
    return changed


def _may_name(events: Sequence[Event], address: Address) -> bool:
    """Return whether the address may be in one of these texts: one search over all of them."""
    needle = address.text
    if needle in "\n".join([event.message for event in events]).lower():
        return True
    data = b"\n".join([event.data for event in events])
    return needle.encode() in data.lower() or _may_hide_ascii(data) is not None


def _erased_entry(entry: Unreadable, tombstones: Sequence[Tombstone]) -> Unreadable | None:
    """Return the entry without the addresses of these persons, None if it is of one of them."""
    for stone in tombstones:
        if order(entry.entry)[0] < stone.before_ms and _is_of(stone.address, entry.raw):
            return None
        entry = _redacted_entry(entry, stone)
    return entry


def _redacted_entry(entry: Unreadable, stone: Tombstone) -> Unreadable:
    if order(entry.entry)[0] >= stone.before_ms:
        return entry
    raw = stone.address.redact_json(entry.raw)
    return replace(entry, raw=raw, reason=stone.address.redact(entry.reason))


def _is_of(address: Address, raw: bytes) -> bool:
    """Return whether bytes that are no event have this email all the same."""
    return address.is_that_of(email_of(raw))


def email_of(raw: bytes) -> object:
    """Return the email of JSON that need not be an event, None if there is none."""
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return found.get("email") if isinstance(found, dict) else None


def _with(batch: EntryBatch, found: _Found) -> EntryBatch:
    if not found.entries and not found.hours:
        return batch
    before = batch.erased or Erased()
    erased = Erased(before.entries | found.entries, before.hours | found.hours)
    return replace(batch, erased=erased)


def _replacement(match: re.Match[bytes]) -> bytes:
    return match[0] if match[1] is None else ERASED.encode()


@lru_cache(64)
def _in_text(address: str) -> re.Pattern[str]:
    return re.compile(_BEFORE + re.escape(address) + _BEHIND, re.IGNORECASE | re.ASCII)


@lru_cache(64)
def _in_json(address: str) -> re.Pattern[bytes]:
    characters = "".join(map(_as_json_has_it, address))
    pattern = f"({_BEFORE}{characters}{_BEHIND}){_ESCAPES}"
    return re.compile(pattern.encode(), re.IGNORECASE | re.DOTALL)


def _as_json_has_it(character: str) -> str:
    """Return a pattern of the forms that JSON may give to the character, in any case."""
    forms = [re.escape(character), rf"\\u00{ord(character.lower()):02x}"]
    if character.isalpha():
        forms.append(rf"\\u00{ord(character.upper()):02x}")
    if character == "/":
        forms.append(r"\\/")
    return f"(?:{'|'.join(forms)})"
