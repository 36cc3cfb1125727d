"""Whether an event matches a question's tree, said plainly: what the SQL is compared with."""

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from operator import ge, gt, le, lt
from typing import Any
from uuid import UUID

import msgspec

from storage.model.event import Event
from storage.model.where import (
    And,
    Contains,
    DataCompares,
    DataIs,
    Email,
    Exists,
    Id,
    Name,
    Not,
    OccurredCompares,
    Or,
    Where,
)

Lower = Callable[[str], str]

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {">": gt, ">=": ge, "<": lt, "<=": le}
_MISSING = object()


class CreatedCompares(OccurredCompares):
    """`created_at` compares so with the instant: what `from_date` and `to_date` mean."""


class Raw(str):
    """A number as it was written."""


def says(where: Where, event: Event, lower: Lower = str.lower) -> bool:
    """Whether the event matches. `lower`: as PostgreSQL lowers the texts that are searched."""
    match where:
        case And(parts):
            return all(says(part, event, lower) for part in parts)
        case Or(parts):
            return any(says(part, event, lower) for part in parts)
        case Not(part):
            return not says(part, event, lower)
        case Name(field, text, is_prefix):
            name = getattr(event, field)
            return bool(name.startswith(text) if is_prefix else name == text)
        case Email(text):
            return event.email is not None and ascii_lower(event.email) == ascii_lower(text)
        case Contains(text, anywhere):
            texts = texts_of(event) if anywhere else [event.message]
            return any(lower(text) in lower(one) for one in texts)
        case Id(one):
            return UUID(event.id) == one
        case Exists("email"):
            return event.email is not None
        case Exists("occurred_at"):
            return bool(event.occurred_at)
        case Exists(path):
            return value_at(event, path) is not _MISSING
        case DataIs(path, values):
            found = value_at(event, path)
            candidates = [found, *(found if isinstance(found, list) else ())]
            wanted = [read(value) for value in values]
            return any(is_same(one, value) for one in candidates for value in wanted)
        case DataCompares(path, comparison, bound):
            return compares(value_at(event, path), comparison, bound)
        case CreatedCompares(comparison, bound):
            return _COMPARE[comparison](datetime.fromisoformat(event.created_at), bound)
        case OccurredCompares(comparison, bound):
            return _COMPARE[comparison](occurred(event), bound)
    raise NotImplementedError(where)


def compares(found: Any, comparison: str, bound: Decimal | str) -> bool:
    """Whether a number compares so with a number, or a text with a text by its code points."""
    if isinstance(found, Raw):
        return isinstance(bound, Decimal) and _COMPARE[comparison](Decimal(found), bound)
    if isinstance(found, str) and isinstance(bound, str):
        return _COMPARE[comparison](found, bound)
    return False


def is_same(found: Any, value: Any) -> bool:
    """Whether two scalars are equal in JSON: 1 is 1.0, but neither true nor a text."""
    if found is _MISSING or isinstance(found, list | dict):
        return False
    if isinstance(found, Raw) and isinstance(value, Raw):
        return Decimal(found) == Decimal(value)
    return type(found) is type(value) and bool(found == value)


def value_at(event: Event, path: Any) -> Any:
    """Return the value at these keys; a key never counts the elements of an array."""
    value = _data_of(bytes(event.data))
    for key in path:
        if not isinstance(value, dict) or key not in value:
            return _MISSING
        value = value[key]
    return value


def texts_of(event: Event) -> Iterator[str]:
    """Yield the texts that `any` searches, `data` as PostgreSQL writes it."""
    yield from (event.message, event.component)
    if event.email is not None:
        yield event.email
    data = _data_of(bytes(event.data))
    if data is not None:
        yield written(data)


def written(value: Any) -> str:
    """JSON as jsonb is written: keys by length, then by bytes; numbers written out."""
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: (len(key.encode()), key.encode()))
        return "{" + ", ".join(f"{written(key)}: {written(value[key])}" for key in keys) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    if isinstance(value, Raw):
        number = Decimal(value)
        return f"{number if number else number.copy_abs():f}"
    return msgspec.json.encode(value).decode()


@lru_cache(4096)
def _data_of(text: bytes) -> Any:
    return read(text)


def read(text: str | bytes) -> Any:
    """JSON with each number as it was written."""
    return json.loads(text, parse_int=Raw, parse_float=Raw)


def ascii_lower(text: str) -> str:
    """Lower A-Z only."""
    return "".join(one.lower() if one.isascii() else one for one in text)


def occurred(event: Event) -> datetime:
    """When it happened, as far as is known."""
    return datetime.fromisoformat(event.occurred_at or event.created_at)
