"""The event with its id and time, as it is stored and answered. Pure: no I/O but the clock."""

import os
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import shake_256
from typing import NamedTuple
from uuid import UUID

import msgspec


class Event(msgspec.Struct, frozen=True):
    """One event in its JSON form. `data` is JSON text whose digits are never touched.

    `occurred_at` is in the form of `storage/model/occurred_at.py`, and only in the JSON if given.
    """

    id: str
    created_at: str
    component: str
    environment: str
    message: str
    email: str | None
    data: msgspec.Raw
    occurred_at: str | msgspec.UnsetType | None = msgspec.UNSET


encode_event = msgspec.json.Encoder().encode
decode_event = msgspec.json.Decoder(Event).decode


def now_ms() -> int:
    """Return the time in milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


def new_id(ms: int) -> bytes:
    """Return the 16 bytes of a new UUIDv7 (RFC 9562, 5.7) for that millisecond.

    All 74 bits that the RFC leaves open are random. With a counter in their place, as some
    libraries have it, an id would let one guess the ids beside it.
    """
    return _id(ms.to_bytes(6, "big"), os.urandom(10))


def derived_id(ms: int, bits: bytes) -> bytes:
    """Return the 16 bytes of a UUIDv7 with these 10 bytes in place of random ones."""
    return _id(ms.to_bytes(6, "big"), bits)


def derived_ids(times: Iterable[int], bits: Iterable[bytes]) -> list[bytes]:
    """Return what `derived_id` returns for each time and its bits; column by column, for speed."""
    joined = bytearray(
        b"".join([ms.to_bytes(6, "big") + open_ for ms, open_ in zip(times, bits, strict=True)])
    )
    joined[6::16] = joined[6::16].translate(_VERSION)
    joined[8::16] = joined[8::16].translate(_VARIANT)
    whole = bytes(joined)
    return [whole[at : at + 16] for at in range(0, len(whole), 16)]


class Stamp(NamedTuple):
    """The creation time of events (ms since the epoch), and the secret behind their ids."""

    created_ms: int
    secret: bytes

    def pack(self) -> bytes:
        """Serialize the stamp to 22 bytes."""
        return self.created_ms.to_bytes(6, "big") + self.secret

    @classmethod
    def unpack(cls, packed: bytes) -> "Stamp":
        """Deserialize the stamp from 22 bytes."""
        return cls(int.from_bytes(packed[:6], "big"), packed[6:])


def new_stamp() -> Stamp:
    """Return a stamp for events created now."""
    return Stamp(now_ms(), os.urandom(16))


def new_ids(stamp: Stamp, count: int) -> list[bytes]:
    """Return ids of the stamp's millisecond in ascending order, always the same ones for a stamp.

    Sorted random ids are as hard to guess as unsorted ones, and history shows the items of a
    batch in the order of the batch.
    """
    head = stamp.created_ms.to_bytes(6, "big")
    bits = bytearray(shake_256(stamp.secret).digest(10 * count))
    bits[0::10] = bits[0::10].translate(_VERSION)
    bits[2::10] = bits[2::10].translate(_VARIANT)
    open_bits = bytes(bits)
    return sorted([head + open_bits[at : at + 10] for at in range(0, 10 * count, 10)])


def _id(head: bytes, bits: bytes) -> bytes:
    raw = bytearray(head + bits)
    raw[6] = _VERSION[raw[6]]
    raw[8] = _VARIANT[raw[8]]
    return bytes(raw)


# Later ones have no partition: its end is past what a `datetime` holds.
_END_MS = 253_370_764_800_000  # the year 9999
_LINE = 37  # characters of an id and what parts it from the next


def readable_ids(events: Sequence[Event]) -> list[bytes]:
    """Return the 16 id bytes of each event; each must be a UUIDv7 of the event's `created_at`.

    Raises ValueError if one is not. Checks all events at once, column by column, for speed.
    """
    lines = "\n".join([event.id for event in events]) + "\n"
    raw = bytes.fromhex(lines.replace("-", ""))
    if not _are_ids(lines, len(events)) or len(raw) != 16 * len(events):
        raise ValueError("`id` is no UUIDv7 in its canonical form")
    ids = [raw[at : at + 16] for at in range(0, len(raw), 16)]
    for head, text in {(one[:6], event.created_at) for one, event in zip(ids, events, strict=True)}:
        ms = int.from_bytes(head, "big")
        if ms >= _END_MS or _time_text(ms) != text:
            raise ValueError("`created_at` is not the time of the id, or out of range")
    return ids


def _are_ids(lines: str, count: int) -> bool:
    """Return whether each line has the form of a UUIDv7; hexadecimal digits are not checked."""
    dashes = lines[8::_LINE] + lines[13::_LINE] + lines[18::_LINE] + lines[23::_LINE]
    return (
        len(lines) == count * _LINE
        and dashes.count("-") == 4 * count
        and lines[36::_LINE].count("\n") == count
        and not lines[14::_LINE].strip("7")
        and not lines[19::_LINE].strip("89ab")
        and lines == lines.lower()
    )


def hours_of(events: Iterable[Event]) -> list[datetime]:
    """Return the starts of the hours in which these events were created, in order."""
    hours = {event.created_at[:13] for event in events}
    return [datetime.fromisoformat(f"{hour}:00Z") for hour in sorted(hours)]


# What those bytes become that hold the version and the variant beside random bits.
_VERSION = bytes(0x70 | byte & 0x0F for byte in range(256))
_VARIANT = bytes(0x80 | byte & 0x3F for byte in range(256))


def id_text(raw: bytes) -> str:
    """Return the canonical text of an id's 16 bytes."""
    h = raw.hex()
    return f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"


def id_texts(raw_ids: Sequence[bytes]) -> list[bytes]:
    """Return the canonical texts of many ids, in ASCII; column by column, for speed."""
    digits = b"".join(raw_ids).hex().encode()
    texts = bytearray(b"-") * (36 * len(raw_ids))
    for digit, column in enumerate(_DIGIT_COLUMNS):
        texts[column::36] = digits[digit::32]
    whole = bytes(texts)
    return [whole[at : at + 36] for at in range(0, len(whole), 36)]


_DIGIT_COLUMNS = [column for column in range(36) if column not in (8, 13, 18, 23)]


def id_ms(event_id: UUID) -> int:
    """Return the millisecond of a UUIDv7."""
    return event_id.int >> 80


def span_ms(raw_ids: Sequence[bytes]) -> list[int]:
    """Return the earliest and the latest time in ids of 16 bytes (ms since the epoch)."""
    return [int.from_bytes(raw_id[:6], "big") for raw_id in (min(raw_ids), max(raw_ids))]


def created_ms(event: Event) -> int:
    """Return the event's `created_at` in ms; its id has the same millisecond."""
    return int(event.id[:8] + event.id[9:13], 16)


@lru_cache(maxsize=4)
def time_text(ms: int) -> str:
    """Return the time in RFC 3339, in UTC with milliseconds: `2026-11-24T05:28:53.120Z`."""
    return _time_text(ms)


def _time_text(ms: int) -> str:
    return _second_text(ms // 1000) + _THOUSANDTHS[ms % 1000]


_THOUSANDTHS = [f".{ms:03d}Z" for ms in range(1000)]


@lru_cache(maxsize=4)
def _second_text(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


MAX_DATETIME_MS = 253_402_300_799_999
"""The last millisecond that a `datetime` can represent."""


def to_datetime(ms: int) -> datetime:
    """Return that millisecond as an aware datetime in UTC, exact."""
    second, rest = divmod(ms, 1000)
    return datetime.fromtimestamp(second, UTC).replace(microsecond=rest * 1000)


_EPOCH, _MS = datetime(1970, 1, 1, tzinfo=UTC), timedelta(milliseconds=1)


def to_ms(instant: datetime) -> int:
    """Return an aware datetime as milliseconds since the epoch, rounded down."""
    return (instant - _EPOCH) // _MS


LAST_MS = to_ms(datetime.max.replace(tzinfo=UTC))


def created_at_of_id(event_id: UUID) -> datetime:
    """Return the id's time; anybody may send an id with a year that a datetime can't hold."""
    return to_datetime(min(id_ms(event_id), LAST_MS))
