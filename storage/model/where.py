"""A question's And/Or/Not tree: what `q=` says beyond the fields of `Filters`. Pure.

NOT is the complement of a set: it matches an event without the email, or without the path, too.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

NameField = Literal["component", "environment"]
Comparison = Literal[">", ">=", "<", "<="]
Path = tuple[str, ...]
"""The keys that lead to a value in `data`."""


@dataclass(frozen=True, slots=True)
class Name:
    """The name is equal to the text; with `is_prefix`, it begins with the text."""

    field: NameField
    text: str
    is_prefix: bool = False


@dataclass(frozen=True, slots=True)
class Email:
    """The email is equal to the text, ASCII letters in any case."""

    text: str


@dataclass(frozen=True, slots=True)
class Contains:
    """The message contains the text, in any case; with `anywhere`: or another text of the event.

    The others are the component, the email, and `data` as text.
    """

    text: str
    anywhere: bool = False


@dataclass(frozen=True, slots=True)
class Id:
    """The event has this id."""

    id: UUID


@dataclass(frozen=True, slots=True)
class Exists:
    """The event has an email, an `occurred_at`, or a value at the path in `data`, also a null."""

    field: Literal["email", "occurred_at"] | Path


@dataclass(frozen=True, slots=True)
class DataIs:
    """The value at the path, or an element of the array there, is equal to one of these.

    `values` are canonical JSON: the text as a string, and what it is as JSON, if it is JSON. Where
    one is an object or an array, the value contains it (PostgreSQL's `@>`).
    """

    path: Path
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DataCompares:
    """The value at the path is a number that compares so with a number, or a text with a text."""

    path: Path
    comparison: Comparison
    bound: Decimal | str


@dataclass(frozen=True, slots=True)
class OccurredCompares:
    """`occurred_at`, or `created_at` of an event without one, compares so with the instant."""

    comparison: Comparison
    bound: datetime


Term = Name | Email | Contains | Id | Exists | DataIs | DataCompares | OccurredCompares


@dataclass(frozen=True, slots=True)
class And:
    """Every part matches."""

    parts: "tuple[Where, ...]"


@dataclass(frozen=True, slots=True)
class Or:
    """One of the parts matches."""

    parts: "tuple[Where, ...]"


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not match."""

    part: "Where"


Where = Term | And | Or | Not
