"""The normalised question "which events?": built by the API, turned into SQL by the event store.

Filters that ask the same are equal, have the same canonical form and so meet in the cache.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from string import ascii_lowercase, ascii_uppercase
from typing import Any, Literal
from uuid import UUID

import msgspec

from storage.model.json_rules import (
    MAX_JSON_DEPTH,
    constant_fault,
    digits_fault,
    fits_numeric,
    is_too_deep,
    text_faults,
)

DEFAULT_LIMIT = 100
MAX_LIMIT = 1000

Order = Literal["asc", "desc"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_TO_LOWER = str.maketrans(ascii_uppercase, ascii_lowercase)


@dataclass(frozen=True, slots=True)
class Filters:
    """Which events are asked for. An empty tuple restricts nothing.

    `component`, `environment`, `email`: equal to any of them (`email` in any ASCII case).
    `message`: contains any of them, in any case. `data`: for each group, contains (jsonb `@>`)
    any of its canonical JSON objects. `start` is inclusive, `end` exclusive. `cursor` is the id
    of the last event already seen. A `start` or `end` without a zone raises `ValueError`.
    """

    component: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    email: tuple[str, ...] = ()
    message: tuple[str, ...] = ()
    data: tuple[tuple[str, ...], ...] = ()
    start: datetime | None = None
    end: datetime | None = None
    limit: int = DEFAULT_LIMIT
    order: Order = "desc"
    cursor: UUID | None = None

    def __post_init__(self) -> None:
        emails = map(lower_ascii, self.email)
        groups = {_distinct(group) for group in self.data if group}
        self._set("component", _distinct(self.component))
        self._set("environment", _distinct(self.environment))
        self._set("email", _distinct(emails))
        self._set("message", _distinct(self.message))
        self._set("data", tuple(sorted(groups)))
        self._set("start", _utc(self.start))
        self._set("end", _utc(self.end))

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)


class NotJSON(ValueError):
    """Not JSON, or JSON with a number so large or fine that no stored event can hold it."""


def canonical(filters: Filters) -> bytes:
    """Bytes that are equal exactly when the filters are; instants in microseconds since 1970.

    The strings must be encodable as UTF-8: a lone surrogate raises `UnicodeEncodeError`.
    """
    return msgspec.json.encode(
        (
            filters.component,
            filters.environment,
            filters.email,
            filters.message,
            filters.data,
            _microseconds(filters.start),
            _microseconds(filters.end),
            filters.limit,
            filters.order,
            filters.cursor,
        )
    )


def digest(filters: Filters) -> str:
    """32 hexadecimal digits (128 bits of BLAKE2b) that stand for the canonical form."""
    return blake2b(canonical(filters), digest_size=16).hexdigest()


def lower_ascii(text: str) -> str:
    """Lower A-Z and nothing else, as PostgreSQL's lower() does under the C collation."""
    return text.lower() if text.isascii() else text.translate(_TO_LOWER)


def canonical_json(text: str) -> str:
    """The same JSON value with sorted keys, compact, each number spelt as it was.

    Of a repeated key the last counts, as in jsonb. Raises `NotJSON` for what no event can
    hold, and a plain `ValueError` for JSON that is refused (storage/model/json_rules.py).
    """
    _refuse_deep(text)
    try:
        value = json.loads(
            text, parse_int=_number, parse_float=_number, parse_constant=_refuse_constant
        )
    except json.JSONDecodeError as error:
        raise NotJSON(f"is not JSON: {error.msg} (character {error.pos + 1})") from error
    for string in _strings(value):
        _refuse_unstorable(string)
    return msgspec.json.encode(value, order="deterministic").decode()


def _distinct(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(values)))


def _utc(instant: datetime | None) -> datetime | None:
    if instant is None:
        return None
    if instant.utcoffset() is None:
        raise ValueError("start and end of Filters need a time zone")
    return instant.astimezone(UTC)


def _microseconds(instant: datetime | None) -> int | None:
    return None if instant is None else (instant - _EPOCH) // _MICROSECOND


def _refuse_deep(text: str) -> None:
    # Before parsing: the parser itself fails on what is nested too deep, in its own way.
    if is_too_deep(text.encode("utf-8", "surrogatepass"), MAX_JSON_DEPTH):
        raise ValueError(f"is nested deeper than {MAX_JSON_DEPTH} levels")


def _number(literal: str) -> msgspec.Raw:
    if fault := digits_fault(literal):
        raise ValueError(f"holds a number that {fault}")
    if not fits_numeric(literal):
        raise NotJSON("holds a number beyond what PostgreSQL can store")
    return msgspec.Raw(literal.encode())


def _refuse_constant(name: str) -> None:
    raise NotJSON(f"is not JSON: {constant_fault(name)}")


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _strings(item)


def _refuse_unstorable(text: str) -> None:
    for fault in text_faults(text):
        raise ValueError(fault)
