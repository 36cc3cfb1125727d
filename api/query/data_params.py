"""The values of `data` and `data.<path>`: canonical JSON objects that an event contains. Pure."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

import msgspec

from api.http.error_detail import ErrorDetail
from api.query.pairs import MAX_QUOTED, fault, quoted
from storage.model.filters import NotJSON, canonical_json
from storage.model.folding import contained
from storage.model.json_rules import MAX_JSON_DEPTH
from storage.model.where import DataIs, Path

DATA = "data"
DATA_PATH = "data."
EXCLUDED_PATH = "-data."
PATHS = (DATA_PATH, EXCLUDED_PATH)
"""The beginnings of names that go on with a path."""

T = TypeVar("T")


def data_groups(
    values: Mapping[str, Sequence[str]], faults: list[ErrorDetail]
) -> tuple[tuple[str, ...], ...]:
    """Return a group of alternatives for each name; every group must match."""
    groups = []
    for name, texts in values.items():
        if name == DATA:
            groups.append(tuple(_group(name, texts, _object, faults)))
        elif name.startswith(DATA_PATH):
            terms = _group(name, texts, _at_path(name, DATA_PATH), faults)
            groups.append(tuple(json for term in terms for json in contained(term)))
    return tuple(groups)


def excluded_values(
    values: Mapping[str, Sequence[str]], faults: list[ErrorDetail]
) -> Iterator[DataIs]:
    """Yield the terms that must not match."""
    for name, texts in values.items():
        if name.startswith(EXCLUDED_PATH):
            yield from _group(name, texts, _at_path(name, EXCLUDED_PATH), faults)


def _group(
    name: str, texts: Sequence[str], parse: Callable[[str], T], faults: list[ErrorDetail]
) -> list[T]:
    alternatives: list[T] = []
    for text in dict.fromkeys(texts):
        try:
            alternatives.append(parse(text))
        except ValueError as error:
            wrong = fault(name, str(error))
            if wrong not in faults:
                faults.append(wrong)
    return alternatives


def _object(text: str) -> str:
    form = canonical_json(text)
    if not form.startswith("{"):
        raise ValueError('must be a JSON object, such as {"user":{"id":7}}')
    return form


def _at_path(name: str, prefix: str) -> Callable[[str], DataIs]:
    """Return a parser of a value at a path: as text, and as JSON too if it is JSON."""
    keys = tuple(name.removeprefix(prefix).split("."))

    def parse(text: str) -> DataIs:
        example = (_data_example if prefix == DATA_PATH else _question_example)(keys, text)
        _check_path(prefix, keys, text, example)
        if not text.strip():
            raise ValueError(_NO_VALUE.format(name=quoted(name), other=example))
        values = tuple(readings(text))
        for value in values:
            _refuse_deep(keys, value)
        return DataIs(keys, values)

    return parse


_NO_VALUE = "needs a value, as in {name}=5; for an empty text use {other}"
_NO_OPERATOR = (
    "contains {operator!r}, but a data parameter only asks for equality: {example}; "
    "comparisons are asked in q, as q=data.amount>100; for such a key use {other}"
)
_operator = re.compile(r"[<>!~=*\[\]]").search
_operators = re.compile(r"[<>!~=*\[\]]+")


def _check_path(prefix: str, keys: Path, text: str, other: str) -> None:
    """Raise ValueError for an empty key, an operator, or a space around a key."""
    if "" in keys:
        raise ValueError(f"has an empty key in its path; for such a key use {_EMPTY_KEY[prefix]}")
    path = ".".join(keys)
    if operator := _operator(path):
        example = _equality_example(prefix, path, text)
        raise ValueError(_NO_OPERATOR.format(operator=operator[0], example=example, other=other))
    if any(key != key.strip() for key in keys):
        raise ValueError(f"has a space before or after a key; for such a key use {other}")


_EMPTY_KEY = {DATA_PATH: 'data={"":...}', EXCLUDED_PATH: 'q=-data."":...'}


def _equality_example(prefix: str, path: str, text: str) -> str:
    """Return `data.order=100` for `order>` and `100`, or for `order>100` and nothing."""
    parts = [part.strip(" .") for part in _operators.split(path)]
    name, *others = [part for part in parts if part] or ["name"]
    value = text.strip() or (others[0] if others else "5")
    return f"{prefix}{quoted(name)}={quoted(value)}"


def _data_example(keys: Path, text: str) -> str:
    """Return the same query as a `data={...}` parameter, or an example if that is too long."""
    form = json.dumps(text, ensure_ascii=False)
    for key in reversed(keys[:MAX_JSON_DEPTH]):
        form = f"{{{json.dumps(key, ensure_ascii=False)}:{form}}}"
    return f"data={form}" if len(form) <= MAX_QUOTED else 'data={"key":"value"}'


def _question_example(keys: Path, text: str) -> str:
    """Return the same exclusion as a `q` parameter, or an example if that is too long."""
    in_quotes = [json.dumps(part, ensure_ascii=False) for part in (*keys, text)]
    form = f"q=-data.{'.'.join(in_quotes[:-1])}:{in_quotes[-1]}"
    return form if len(form) <= MAX_QUOTED else 'q=-data."key":"value"'


def readings(text: str) -> list[str]:
    """Return a value in JSON: as a text, and as what it says if it is JSON. Raises ValueError."""
    as_text = msgspec.json.encode(text).decode()
    try:
        return [as_text, canonical_json(text)]
    except NotJSON:
        return [as_text]


def _refuse_deep(keys: Path, value: str) -> None:
    """Raise ValueError for a value that no event can have at the path."""
    if len(keys) > MAX_JSON_DEPTH:
        raise ValueError(f"is nested deeper than {MAX_JSON_DEPTH} levels")
    canonical_json(f"{'[' * len(keys)}{value}{']' * len(keys)}")
