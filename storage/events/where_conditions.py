"""What a question's tree means in SQL. Builds conditions, runs nothing.

A term may be NULL for an event that lacks what it asks for. Under NOT it then counts as false, so
NOT is the complement.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from operator import ge, gt, le, lt
from typing import Any

import sqlalchemy as sa

from storage.model.event import created_at_of_id
from storage.model.folding import contained
from storage.model.normal_form import all_of
from storage.model.where import (
    And,
    Comparison,
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
    Path,
    Where,
)
from storage.postgres.tables import events, lower_email_of, occurred_of

Condition = sa.ColumnElement[bool]
Compare = Callable[[Any, Any], Condition]

_OPERATORS: Mapping[Comparison, Compare] = {">": gt, ">=": ge, "<": lt, "<=": le}


def in_order(where: Where | None, columns: Any) -> Condition:
    """Return the parts that an index answers in the order of a page."""
    return _all(filter(_has_order, all_of(where)), columns)


def row_by_row(where: Where | None, columns: Any) -> Condition:
    """Return the other parts."""
    return _all((part for part in all_of(where) if not _has_order(part)), columns)


def is_indexed(where: Where | None) -> bool:
    """Return whether an index finds the rows of one of the parts for `row_by_row`, in no order."""
    return any(_is_found(part) for part in all_of(where) if not _has_order(part))


def contains_json(data: sa.ColumnElement[Any], objects: Sequence[str]) -> Condition:
    """Compare `data` with JSON objects, one of which it must contain."""
    kind = events.c.data.type
    return sa.or_(*(data.op("@>")(sa.cast(sa.literal(one, sa.Text), kind)) for one in objects))


def contains_text(column: sa.ColumnElement[str], text: str) -> Condition:
    """Compare a column with a text that it must contain, in any case."""
    return column.icontains(text, autoescape=True)


def _all(parts: Iterable[Where], columns: Any) -> Condition:
    return sa.and_(sa.true(), *(_sql(part, columns) for part in parts))


def _has_order(part: Where) -> bool:
    """Return whether the part names an id, or values of one column."""
    match part:
        case Id() | Name():
            return True
        case Or(parts):
            fields = {one.field if isinstance(one, Name) else None for one in parts}
            return len(fields) == 1 and None not in fields
    return False


def _is_found(where: Where) -> bool:
    match where:
        case And(parts):
            return any(map(_is_found, parts))
        case Or(parts):
            return all(map(_is_found, parts))
        case Contains(_, anywhere):
            return not anywhere
    return isinstance(where, Name | Email | Id | DataIs | OccurredCompares)


def _sql(where: Where, of: Any) -> Condition:
    match where:
        case And(parts):
            return sa.and_(sa.true(), *(_sql(part, of) for part in parts))
        case Or(parts):
            return sa.or_(sa.false(), *(_sql(part, of) for part in parts))
        case Not(part):
            return sa.not_(sa.func.coalesce(_sql(part, of), sa.false()))
    return _term(where, of)


def _term(term: Any, of: Any) -> Condition:
    match term:
        case Name(field, text, is_prefix):
            # An index gives a range for this function.
            return sa.func.starts_with(of[field], text) if is_prefix else of[field] == text
        case Email(text):
            return lower_email_of(of) == text
        case Contains(text, anywhere):
            return _contains(of, text) if anywhere else contains_text(of.message, text)
        case Id(one):
            return sa.and_(of.id == one, of.created_at == created_at_of_id(one))
        case Exists(field):
            return _exists(field, of)
        case DataIs():
            return contains_json(of.data, contained(term))
        case DataCompares(path, comparison, bound):
            return _compares(_at(of.data, path), _OPERATORS[comparison], bound)
        case OccurredCompares(comparison, bound):
            return _OPERATORS[comparison](occurred_of(of), bound)
    raise NotImplementedError(f"a term without SQL: {term}")


def _contains(of: Any, text: str) -> Condition:
    texts = (of.message, of.component, of.email, sa.cast(of.data, sa.Text))
    return sa.or_(*(contains_text(one, text) for one in texts))


def _exists(field: str | Path, of: Any) -> Condition:
    if field == "occurred_at":
        return of.occurred_at.is_not(None)  # type: ignore[no-any-return]
    value: sa.ColumnElement[Any] = of.email if field == "email" else _at(of.data, field)
    return value.is_not(None)


def _at(data: sa.ColumnElement[Any], path: Sequence[str]) -> sa.ColumnElement[Any]:
    """Return the value at the path, NULL if there is none; a key is never an index of an array."""
    for key in path:
        data = data.op("->", return_type=events.c.data.type)(sa.literal(key, sa.Text))
    return data


def _compares(value: sa.ColumnElement[Any], compare: Compare, bound: Decimal | str) -> Condition:
    """Compare by CASE, which casts only what is a number."""
    if isinstance(bound, str):
        kind, text = "string", value.op("#>>", return_type=sa.Text())(sa.text("'{}'"))
        found = compare(text.collate("C"), bound)
    else:
        number = sa.cast(sa.literal(str(bound), sa.Text), sa.Numeric)
        kind, found = "number", compare(sa.cast(value, sa.Numeric), number)
    return sa.case((sa.func.jsonb_typeof(value) == kind, found))
