"""From a field and its value to a term of `Where`. A wrong value raises ValueError. Pure."""

import re
from decimal import Decimal, InvalidOperation
from uuid import UUID

import msgspec

from api.query import dates
from api.query.clock import Clock
from api.query.data_params import readings
from api.query.id_params import is_uuid
from api.query.language.fields import Field
from api.query.language.tokens import Token
from api.query.pairs import quoted
from api.query.tree_params import name_of
from storage.model.filters import canonical_json
from storage.model.normal_form import EVERYTHING
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
    NameField,
    OccurredCompares,
    Where,
)

MAX_TEXT = 1000
"""The characters of a text or value."""

STAR = "*"
_ESCAPED_STAR = r"\*"
_A_STAR = "\0"  # while the other stars are looked for; no text has this character


def term_of(token: Token, group: Field | None, clock: Clock | None = None) -> Where:
    """Return what the text asks; `group` is the field of the parentheses in which it stands.

    Dates before now are read by the clock.
    """
    field = token.field or group or "message"
    if len(token.text) > MAX_TEXT:
        raise ValueError(f"the text is longer than {MAX_TEXT:,} characters")
    if not isinstance(field, tuple) and not token.text.strip():
        raise ValueError("the text in quotes is empty")
    if not token.quoted and _has_order(field) and token.text.startswith(_SIGNS):
        raise ValueError("a sign stands in place of the colon, as in data.amount>100; " + _OF_SIGNS)
    if not token.quoted and token.text == STAR:
        return _exists(token, group, field)
    if not token.quoted and _is_pattern(field, token.text):
        raise ValueError(_NO_PREFIX)
    if token.comparison:
        return _comparison(field, token, token.comparison, clock)
    return _equality(field, token, clock)


_SIGNS = (">", "<", "=")
_OF_SIGNS = "put text that begins with a sign in quotes"
_NAMES = ("component", "environment")
_NO_PREFIX = (
    "a * stands for the rest of a name in component and environment only; "
    "message: and any: find parts of words without it; put text with a * in quotes"
)
_NO_STAR = "a * stands at the end of a name only; put a name with a * in quotes"


def _is_pattern(field: Field, text: str) -> bool:
    """Return whether a star seems to stand for more, where it does not."""
    begins = field == "email" and text.startswith(STAR)
    return field not in _NAMES and (begins or text.endswith(STAR))


def _has_order(field: Field) -> bool:
    return isinstance(field, tuple) or field == "occurred_at"


def _exists(token: Token, group: Field | None, field: Field) -> Where:
    if token.comparison or (token.field is None and group is None) or field == "any":
        raise ValueError("a * alone follows a field, as in email:*; put the text * in quotes")
    if isinstance(field, tuple) or field == "email" or field == "occurred_at":
        return Exists(field)
    return EVERYTHING  # every event has the other fields


def _equality(field: Field, token: Token, clock: Clock | None) -> Where:
    text = token.text
    match field:
        case "message" | "any":
            return Contains(text, anywhere=field == "any")
        case "component" | "environment":
            return _name(field, token)
        case "email":
            return Email(text)
        case "id":
            return _id(text)
        case "occurred_at":
            return And((_occurred(">=", text, clock), _occurred("<=", text, clock)))
    return DataIs(field, _values(token))


def _name(field: NameField, token: Token) -> Name:
    if token.quoted:
        return Name(field, token.text)
    if STAR in token.text.replace(_ESCAPED_STAR, _A_STAR).removesuffix(STAR):
        raise ValueError(_NO_STAR)
    return name_of(field, token.text)


def _id(text: str) -> Id:
    if not is_uuid(text):
        raise ValueError(f"{quoted(text)!r} is not a UUID")
    return Id(UUID(text))


def _values(token: Token) -> tuple[str, ...]:
    """Return what the value may be in JSON: the text, and without quotes also what it says."""
    if token.quoted:
        return (msgspec.json.encode(token.text).decode(),)
    if _is_range(token.text):
        raise ValueError(_NO_RANGE)
    return tuple(readings(token.text))


# What other languages write: [10 TO 20], 10..20.
_is_range = re.compile(r"\[[^\]]*+|-?[0-9]++(?:\.[0-9]++)?\.\.\.?-?[0-9].*+").fullmatch
_NO_RANGE = (
    "a range is two comparisons, as in data.amount>=10 data.amount<=20; "
    "put text that looks like a range in quotes"
)


# --- comparisons -------------------------------------------------------------------------------


def _comparison(field: Field, token: Token, comparison: Comparison, clock: Clock | None) -> Where:
    if field == "occurred_at":
        return _occurred(comparison, token.text, clock)
    assert isinstance(field, tuple)  # nothing else has a comparison
    return DataCompares(field, comparison, _bound(token))


def _occurred(comparison: Comparison, text: str, clock: Clock | None) -> OccurredCompares:
    """Compare with an instant or with a whole day: after a day is from the next one on."""
    start, end = dates.start_of(text, clock), dates.end_of(text, clock)
    if start == end:
        return OccurredCompares(comparison, start)
    by_day = _BY_DAY[comparison]
    return OccurredCompares(by_day, end if comparison in _FROM_ITS_END else start)


_BY_DAY: dict[Comparison, Comparison] = {">": ">=", ">=": ">=", "<": "<", "<=": "<"}
_FROM_ITS_END = (">", "<=")


def _bound(token: Token) -> Decimal | str:
    """Return a number exactly as it is written, or a text."""
    text = token.text
    if token.quoted:
        return text
    if _is_json_number(text):
        canonical_json(text)  # raises ValueError for what no event can hold
        return Decimal(text)
    if _is_another_number(text):
        raise ValueError(f"{quoted(text)!r} is not a number in JSON; put it in quotes for a text")
    if _is_relative_date(text):
        raise ValueError(
            f"{quoted(text)!r} is a time before now, and only occurred_at is compared with one; "
            "put it in quotes for a text"
        )
    return text


_is_json_number = re.compile(r"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?").fullmatch


_is_relative_date = re.compile(r"now|-[0-9]++[mhd]").fullmatch


def _is_another_number(text: str) -> bool:
    """Return whether it is a number in another notation, such as `.5` or `1,000`."""
    try:
        return Decimal(text.replace(",", "")).is_finite()
    except InvalidOperation:
        return False
