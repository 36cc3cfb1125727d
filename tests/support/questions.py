"""Questions of `q=`: trees to ask for, and how a person may write them."""

import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import strategies as st

from api.http.error_detail import ErrorDetail
from api.query.clock import Clock
from api.query.language.parser import parse
from api.query.pairs import InvalidQuery
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
    Path,
    Where,
)

TEXTS = st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1, max_size=9)
FILLED = TEXTS.filter(lambda text: bool(text.strip()))
PATHS = st.lists(TEXTS | st.just(""), min_size=1, max_size=3).map(tuple)
NAMES = st.sampled_from(["component", "environment"])
COMPARISONS = st.sampled_from([">", ">=", "<", "<="])
INSTANTS = st.datetimes(datetime(1971, 1, 1), datetime(9000, 1, 1), timezones=st.just(UTC))
NUMBERS = st.decimals(-(10**9), 10**9, allow_nan=False, allow_infinity=False)

TERMS: st.SearchStrategy[Where] = st.one_of(
    st.builds(Name, NAMES, FILLED),
    st.builds(Name, NAMES, st.from_regex(r"[a-z]{1,5}", fullmatch=True), st.just(True)),
    st.builds(Email, FILLED),
    st.builds(Contains, FILLED, st.booleans()),
    st.builds(Id, st.uuids()),
    st.builds(Exists, PATHS | st.sampled_from(["email", "occurred_at"])),
    st.builds(DataIs, PATHS, TEXTS.map(lambda text: (compact(text),))),
    st.builds(DataCompares, PATHS, COMPARISONS, TEXTS | NUMBERS),
    st.builds(OccurredCompares, COMPARISONS, INSTANTS),
)


MINUTE = datetime(2021, 4, 16, 12, 30, tzinfo=UTC)
"""Now, where a question is only parsed."""


def parsed(question: str) -> Where:
    """Return what the question means at `MINUTE`."""
    return parse(question, Clock(int(MINUTE.timestamp()) // 60))


def trees(depth: int = 4) -> st.SearchStrategy[Where]:
    """Return a strategy of trees with at most `depth` nodes above each term."""
    if depth == 0:
        return TERMS
    below = trees(depth - 1)
    parts = st.lists(below, min_size=2, max_size=2).map(tuple)
    return st.one_of(TERMS, st.builds(And, parts), st.builds(Or, parts), st.builds(Not, below))


def compact(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def written(where: Where) -> str:
    """Return a question that asks for this tree."""
    match where:
        case And(parts):
            return " AND ".join(map(_within, parts))
        case Or(parts):
            return " OR ".join(map(_within, parts))
        case Not(part):
            return f"-{_within(part)}"
    return _term(where)


def _within(where: Where) -> str:
    return f"({written(where)})" if isinstance(where, And | Or | Not) else written(where)


def _term(where: Where) -> str:
    match where:
        case Name(field, text, is_prefix):
            return f"{field}:{text}*" if is_prefix else f"{field}:{in_quotes(text)}"
        case Email(text):
            return f"email:{in_quotes(text)}"
        case Contains(text, anywhere):
            return f"any:{in_quotes(text)}" if anywhere else in_quotes(text)
        case Id(UUID() as event_id):
            return f"id:{event_id}"
        case Exists(field):
            return f"{field if isinstance(field, str) else path(field)}:*"
        case DataIs(keys, (value,)):
            return f"{path(keys)}:{in_quotes(json.loads(value))}"
        case DataCompares(keys, comparison, Decimal() as bound):
            return f"{path(keys)}{comparison}{bound}"
        case DataCompares(keys, comparison, str(bound)):
            return f"{path(keys)} {comparison} {in_quotes(bound)}"
        case OccurredCompares(comparison, bound):
            return f"occurred_at{comparison}{bound.isoformat()}"
    raise AssertionError(where)


def path(keys: Path) -> str:
    return "data." + ".".join(map(in_quotes, keys))


def in_quotes(text: str) -> str:
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'


def faults_in(question: str) -> list[ErrorDetail]:
    """Return the faults of a question that must have some."""
    with pytest.raises(InvalidQuery) as caught:
        parsed(question)
    assert caught.value.faults
    return caught.value.faults


def places(faults: Iterable[ErrorDetail]) -> list[int | None]:
    return [fault.character for fault in faults]
