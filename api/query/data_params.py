"""The values of `data` and `data.<path>`: canonical JSON objects that an event contains. Pure."""

import json
import re
from collections.abc import Callable, Mapping, Sequence

import msgspec

from api.http.error_detail import ErrorDetail
from api.query.pairs import MAX_QUOTED, fault, quoted
from storage.model.filters import NotJSON, canonical_json
from storage.model.json_rules import MAX_JSON_DEPTH

DATA = "data"
DATA_PATH = "data."


def data_groups(
    values: Mapping[str, Sequence[str]], faults: list[ErrorDetail]
) -> tuple[tuple[str, ...], ...]:
    """Return a group of alternatives for each name; every group must match."""
    groups = []
    for name, texts in values.items():
        if name == DATA:
            groups.append(_group(name, texts, _object, faults))
        elif name.startswith(DATA_PATH):
            groups.append(_group(name, texts, _at_path(name), faults))
    return tuple(groups)


def _group(
    name: str, texts: Sequence[str], parse: Callable[[str], list[str]], faults: list[ErrorDetail]
) -> tuple[str, ...]:
    alternatives: list[str] = []
    for text in dict.fromkeys(texts):
        try:
            alternatives += parse(text)
        except ValueError as error:
            wrong = fault(name, str(error))
            if wrong not in faults:
                faults.append(wrong)
    return tuple(alternatives)


def _object(text: str) -> list[str]:
    form = canonical_json(text)
    if not form.startswith("{"):
        raise ValueError('must be a JSON object, such as {"user":{"id":7}}')
    return [form]


def _at_path(name: str) -> Callable[[str], list[str]]:
    """Return a parser of a value of `data.<path>`: as text, and as JSON too if it is JSON."""
    keys = name.removeprefix(DATA_PATH).split(".")

    def parse(text: str) -> list[str]:
        _check_path(keys, text)
        if not text.strip():
            raise ValueError(_NO_VALUE.format(name=quoted(name), data=_data_example(keys, text)))
        return [_nested(keys, value) for value in readings(text)]

    return parse


_NO_VALUE = "needs a value, as in {name}=5; to find an empty text use {data}"
_NO_OPERATOR = (
    "contains {operator!r}, but a data path can only be compared with '=': {example}; "
    "for such a key use {data}"
)
_operator = re.compile(r"[<>!~=*\[\]]").search
_operators = re.compile(r"[<>!~=*\[\]]+")


def _check_path(keys: list[str], text: str) -> None:
    """Raise ValueError for an empty key, an operator, or a space around a key."""
    if "" in keys:
        raise ValueError('has an empty key in its path; for such a key use data={"":...}')
    path = ".".join(keys)
    if operator := _operator(path):
        raise ValueError(
            _NO_OPERATOR.format(
                operator=operator[0],
                example=_equality_example(path, text),
                data=_data_example(keys, text),
            )
        )
    if any(key != key.strip() for key in keys):
        data = _data_example(keys, text)
        raise ValueError(f"has a space before or after a key; for such a key use {data}")


def _equality_example(path: str, text: str) -> str:
    """Return `data.order=100` for `order>` and `100`, or for `order>100` and nothing."""
    parts = [part.strip(" .") for part in _operators.split(path)]
    name, *others = [part for part in parts if part] or ["name"]
    value = text.strip() or (others[0] if others else "5")
    return f"{DATA_PATH}{quoted(name)}={quoted(value)}"


def _data_example(keys: list[str], text: str) -> str:
    """Return the same query as a `data={...}` parameter, or an example if that is too long."""
    form = json.dumps(text, ensure_ascii=False)
    for key in reversed(keys[:MAX_JSON_DEPTH]):
        form = f"{{{json.dumps(key, ensure_ascii=False)}:{form}}}"
    return f"data={form}" if len(form) <= MAX_QUOTED else 'data={"key":"value"}'


def readings(text: str) -> list[str]:
    """Return a value in JSON: as a text, and as what it says if it is JSON. Raises ValueError."""
    as_text = msgspec.json.encode(text).decode()
    try:
        return [as_text, canonical_json(text)]
    except NotJSON:
        return [as_text]


def _nested(keys: list[str], value: str) -> str:
    if len(keys) > MAX_JSON_DEPTH:
        raise ValueError(f"is nested deeper than {MAX_JSON_DEPTH} levels")
    opened = "".join(f"{{{msgspec.json.encode(key).decode()}:" for key in keys)
    return canonical_json(f"{opened}{value}{'}' * len(keys)}")
