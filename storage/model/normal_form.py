"""The normal form of a question's tree, and its canonical encoding. Pure.

Trees that differ only in order, repetition, nesting or in where NOT stands have one normal form.
"""

from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal
from string import ascii_lowercase, ascii_uppercase
from typing import Any

import msgspec

from storage.model.where import And, DataIs, Email, Name, Not, OccurredCompares, Or, Where

EVERYTHING = And(())
NOTHING = Or(())

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_TO_LOWER = str.maketrans(ascii_uppercase, ascii_lowercase)
_EXACT = Context(MAX_PREC, Emin=MIN_EMIN, Emax=MAX_EMAX)


def normal_form(where: Where | None) -> Where | None:
    """Return the tree with NOT at its terms only, flat, sorted, each part once; None for all.

    An instant without a time zone raises `ValueError`.
    """
    found = None if where is None else _normal(where, is_negated=False)
    return None if found == EVERYTHING else found


def all_of(where: Where | None) -> tuple[Where, ...]:
    """Return the parts of a normal form that must all match."""
    if where is None:
        return ()
    return where.parts if isinstance(where, And) else (where,)


def any_of(where: Where) -> tuple[Where, ...]:
    """Return the parts of a normal form of which one must match."""
    return where.parts if isinstance(where, Or) else (where,)


def plain(value: Any) -> Any:
    """Return what JSON can encode: equal for equal values, different for different ones.

    Instants become microseconds since 1970. In a tree each part begins with its name.
    """
    match value:
        case datetime():
            return (value - _EPOCH) // _MICROSECOND
        case Decimal():
            return ["number", _digits(value)]
        case And() | Or():
            return [type(value).__name__, *map(plain, value.parts)]
    if is_dataclass(value):
        return [type(value).__name__, *(plain(getattr(value, f.name)) for f in fields(value))]
    return value


def lower_ascii(text: str) -> str:
    """Lower A-Z and nothing else, as PostgreSQL's lower() does under the C collation."""
    return text.lower() if text.isascii() else text.translate(_TO_LOWER)


def utc(instant: datetime) -> datetime:
    """Return the same instant in UTC. Raises ValueError for one without a time zone."""
    if instant.utcoffset() is None:
        raise ValueError("an instant of Filters needs a time zone")
    return instant.astimezone(UTC)


def _normal(where: Where, is_negated: bool) -> Where:
    match where:
        case Not(part):
            return _normal(part, not is_negated)
        case Name(_, "", True):  # every name begins so
            return NOTHING if is_negated else EVERYTHING
        case And(parts) | Or(parts):
            joins_all = isinstance(where, And) != is_negated  # De Morgan
            return _joined(And if joins_all else Or, [_normal(one, is_negated) for one in parts])
    term = _normal_term(where)
    return Not(term) if is_negated else term


def _normal_term(term: Any) -> Any:
    match term:
        case Email(text):
            return Email(lower_ascii(text))
        case DataIs(_, values):
            return replace(term, values=tuple(sorted(set(values))))
        case OccurredCompares(_, bound):
            return replace(term, bound=utc(bound))
    return term


def _joined(kind: type[And] | type[Or], parts: Iterable[Where]) -> Where:
    distinct = {msgspec.json.encode(plain(one)): one for one in _flat(kind, parts)}
    decisive = NOTHING if kind is And else EVERYTHING
    if decisive in distinct.values():
        return decisive
    found = tuple(one for _, one in sorted(distinct.items()))
    return found[0] if len(found) == 1 else kind(found)


def _flat(kind: type[And] | type[Or], parts: Iterable[Where]) -> Iterator[Where]:
    for part in parts:
        if isinstance(part, kind):
            yield from part.parts
        else:
            yield part


def _digits(number: Decimal) -> str:
    """Return the number without the zeros at its end, and zero without a sign."""
    return str(number.normalize(_EXACT)) if number else "0"
