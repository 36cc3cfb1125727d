"""The normalised question "which events?": built by the API, turned into SQL by the event store.

Filters that ask the same are equal, have the same canonical form and so meet in the cache.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import datetime
from hashlib import blake2b
from typing import Any, Literal
from uuid import UUID

import msgspec

from storage.model.folding import folded
from storage.model.json_rules import (
    MAX_JSON_DEPTH,
    constant_fault,
    digits_fault,
    fits_numeric,
    is_too_deep,
    text_faults,
)
from storage.model.name_patterns import simplify
from storage.model.normal_form import lower_ascii, plain
from storage.model.parameters import (
    Parameter,
    data_groups,
    declaration_of,
    instant,
    limit_of,
    single,
    texts,
    tree,
)
from storage.model.where import Where

DEFAULT_LIMIT = 100
MAX_LIMIT = 1000

Order = Literal["asc", "desc"]


@dataclass(frozen=True, slots=True)
class Filters:
    """Which events are asked for, and how many of them in which order.

    Each field is declared with its parameter of the query string. Filters of different names must
    all match. In `data` each group must match, by any of its canonical JSON objects. `start` is
    inclusive, `end` exclusive. `cursor` is the id of the last event already seen. A `start` or
    `end` without a time zone raises `ValueError`. `where` says what the other fields can't say;
    what they can say moves into them. `within_component` and `within_environment` are patterns: the
    limits of the client that asks. `occurred_from` (inclusive) and `occurred_to` (exclusive) say
    nothing of when events were created: such a page may get an event at any time.
    """

    component: tuple[str, ...] = texts(
        "component",
        "The component is equal to the value. If repeated: to one of the values. `payment-*`: it "
        r"begins with `payment-`; `\*` is a star; elsewhere `*` is an ordinary character.",
        tag_rank=2,
        kind="name",
    )
    environment: tuple[str, ...] = texts(
        "environment",
        "The environment is equal to the value. If repeated: to one of the values. `prod*`: it "
        "begins with `prod`, as in `component`.",
        tag_rank=3,
        kind="name",
    )
    email: tuple[str, ...] = texts(
        "email",
        "The email is equal to the value, ASCII letters in any case. If repeated: to one of the "
        "values.",
        normalize=lower_ascii,
        tag_rank=1,
    )
    message: tuple[str, ...] = texts(
        "message",
        "The message contains the value, in any case; `%` and `_` are ordinary characters. "
        "If repeated: one of the values.",
    )
    start: datetime | None = instant(
        "from_date",
        "start",
        "The event was created at this instant or later, or on this day or later. `-15m`, `-24h`, "
        "`-7d`, `now`: before now, cut off to the minute.",
    )
    end: datetime | None = instant(
        "to_date",
        "end",
        "The event was created before this instant, or on this day or earlier. `-15m`, `-24h`, "
        "`-7d`, `now`: before now, cut off to the minute.",
    )
    occurred_from: datetime | None = instant(
        "occurred_from",
        "start",
        "The event happened at this instant or later, or on this day or later: its `occurred_at`, "
        "and its `created_at` where it has none.",
    )
    occurred_to: datetime | None = instant(
        "occurred_to",
        "end",
        "The event happened before this instant, or on this day or earlier, by the same time.",
    )
    not_component: tuple[str, ...] = texts(
        "-component",
        "The component is not equal to the value. If repeated: to none of the values. "
        "`payment-*`: it does not begin so. `component=a&-component=a` finds nothing.",
        kind="name",
    )
    not_environment: tuple[str, ...] = texts(
        "-environment",
        "The environment is not equal to the value. If repeated: to none of the values. `prod*`: "
        "it does not begin so.",
        kind="name",
    )
    data: tuple[tuple[str, ...], ...] = data_groups(
        Parameter(
            "data",
            "data",
            "`data` contains this JSON object (PostgreSQL's `@>`): objects with at least these "
            "keys, arrays with at least these elements. If repeated: one of the objects.",
        ),
        Parameter(
            "data.<path>",
            "data path",
            "`data.a.b=5`: `data` contains this value at this path, as a number or as text; or an "
            "array at this path has such an element. Several paths must all match. If a path is "
            "repeated: one of its values.",
        ),
    )
    where: Where | None = tree(
        Parameter(
            "q",
            "question",
            "The event matches this question, such as "
            '`component:(auth OR pay*) -environment:dev data.amount>100 "was paid"`: words, '
            "phrases, fields, `OR`, `NOT` and comparisons. See `docs/query-language.md`.",
        ),
        Parameter(
            "-email",
            "excluded text",
            "The email is not equal to the value, ASCII letters in any case; or there is none. If "
            "repeated: to none of the values.",
        ),
        Parameter(
            "-message",
            "excluded text",
            "The message does not contain the value, in any case. If repeated: none of the values.",
        ),
        Parameter(
            "-data.<path>",
            "data path",
            "`data.<path>` with this value does not match: there is another value, or none. If "
            "repeated: with none of the values.",
        ),
    )
    within_component: tuple[str, ...] = limit_of(simplify)
    within_environment: tuple[str, ...] = limit_of(simplify)
    limit: int = single(
        "limit",
        "limit",
        DEFAULT_LIMIT,
        f"The number of events on a page, 1 to {MAX_LIMIT:,}; the default is {DEFAULT_LIMIT}.",
    )
    order: Order = single("order", "order", "desc", "By time: `desc` (newest first) or `asc`.")
    cursor: UUID | None = single(
        "cursor",
        "cursor",
        None,
        "Continues after the page that returned it as `next_cursor`; `null` means there are no "
        "more pages. A cursor is a position in time, so the filters may change.",
    )

    def __post_init__(self) -> None:
        for name, declaration in DECLARATIONS.items():
            object.__setattr__(self, name, declaration.normalize(getattr(self, name)))
        if self.where is not None:
            for name, value in folded(self._by_name()).items():
                object.__setattr__(self, name, value)

    def _by_name(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in DECLARATIONS}


DECLARATIONS = {field.name: declaration_of(field.metadata) for field in fields(Filters)}
"""Each field of `Filters`, and how it is declared."""

PARAMETERS = [parameter for each in DECLARATIONS.values() for parameter in each.parameters]
"""The parameters of a query string that are filters."""

# The canonical form begins with these, given or not. Fields that were added later follow by name,
# and only where they are given: so a new filter leaves the cache keys of all other questions alone.
_POSITIONS = (
    *("component", "environment", "email", "message", "data"),
    *("start", "end", "limit", "order", "cursor"),
)


class NotJSON(ValueError):
    """Not JSON, or JSON with a number so large or fine that no stored event can hold it."""


def canonical(filters: Filters) -> bytes:
    """Return bytes that are equal exactly when the filters are.

    Instants become microseconds since 1970. The strings must be encodable as UTF-8: a lone
    surrogate raises `UnicodeEncodeError`.
    """
    values = {name: plain(getattr(filters, name)) for name in DECLARATIONS}
    first = [values.pop(name) for name in _POSITIONS]
    given = [(name, value) for name, value in values.items() if value != DECLARATIONS[name].default]
    return msgspec.json.encode([*first, *sorted(given)])


def digest(filters: Filters) -> str:
    """Return the canonical form's hash: 32 hexadecimal digits (128 bits of BLAKE2b)."""
    return blake2b(canonical(filters), digest_size=16).hexdigest()


def canonical_json(text: str) -> str:
    """Return the same JSON value with sorted keys, compact, each number as it was written.

    If a key is repeated, the last one wins, as in jsonb. Raises `NotJSON` for what no event can
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
