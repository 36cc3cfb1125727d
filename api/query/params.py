"""From the query string of `GET /events` to `Filters`, or to every fault in it at once."""

import difflib
import json
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TypeVar
from urllib.parse import unquote_to_bytes

import msgspec

from api.http.error_detail import ErrorDetail
from api.query import cursors, dates
from storage.model.filters import (
    DEFAULT_LIMIT,
    MAX_LIMIT,
    Filters,
    NotJSON,
    Order,
    canonical_json,
    lower_ascii,
)
from storage.model.json_rules import MAX_JSON_DEPTH

MAX_QUERY_BYTES = 16 * 1024
MAX_PAIRS = 200
MAX_VALUES = 50
MAX_CHARACTERS = 1000

_DATA = "data"
_DATA_PATH = "data."
_KNOWN = (
    "component",
    "environment",
    "email",
    "message",
    "from_date",
    "to_date",
    "limit",
    "cursor",
    "order",
    _DATA,
    "id",  # by itself: api/query/id_params.py
)
_MAX_QUOTED = 60

Values = dict[str, list[str]]
T = TypeVar("T")


class InvalidQuery(ValueError):
    """The query string can't be understood; `faults` says everything that is wrong with it."""

    def __init__(self, faults: list[ErrorDetail]) -> None:
        super().__init__("; ".join(fault.detail for fault in faults))
        self.faults = faults


def parse_filters(query_string: bytes) -> Filters:
    """The filters a raw query string asks for; raises `InvalidQuery`, and nothing else."""
    faults: list[ErrorDetail] = []
    values = _grouped(_bounded(query_string), faults)
    filters = _filters(values, faults)
    if faults:
        raise InvalidQuery(faults)
    return filters


def _filters(values: Values, faults: list[ErrorDetail]) -> Filters:
    start = _one(values, "from_date", dates.start_of, faults)
    end = _one(values, "to_date", dates.end_of, faults)
    _refuse_backwards(start, end, values, faults)
    return Filters(
        component=tuple(values.get("component", ())),
        environment=tuple(values.get("environment", ())),
        email=tuple(values.get("email", ())),
        message=tuple(values.get("message", ())),
        data=_data_groups(values, faults),
        start=start,
        end=end,
        limit=_one(values, "limit", _limit, faults) or DEFAULT_LIMIT,
        order=_one(values, "order", _order, faults) or "desc",
        cursor=_one(values, "cursor", cursors.decode, faults),
    )


# --- pairs of name and value -------------------------------------------------------------------


def decoded_pairs(query_string: bytes, faults: list[ErrorDetail]) -> list[tuple[str, str]]:
    """Every name and value; what can't be decoded is a fault. Raises InvalidQuery for too many."""
    return list(_decoded(_bounded(query_string), faults))


def _bounded(query_string: bytes) -> list[bytes]:
    """The undecoded pairs; what is over a bound is not looked at any further."""
    if len(query_string) > MAX_QUERY_BYTES:
        raise InvalidQuery(
            [ErrorDetail(f"the query string is longer than {MAX_QUERY_BYTES:,} bytes")]
        )
    pairs = [pair for pair in query_string.split(b"&") if pair]
    if len(pairs) > MAX_PAIRS:
        raise InvalidQuery(
            [ErrorDetail(f"the query has {len(pairs)} parameters, over {MAX_PAIRS}")]
        )
    return pairs


def _grouped(pairs: list[bytes], faults: list[ErrorDetail]) -> Values:
    """The values under each known name, in the order they came; blank ones of data paths alone."""
    values: Values = {}
    unknown: dict[str, None] = {}
    for name, value in _decoded(pairs, faults):
        if not _is_known(name):
            unknown[name] = None
        elif value.strip() or name.startswith(_DATA_PATH):
            values.setdefault(name, []).append(value)
    faults.extend(map(_unknown, unknown))
    for name in list(values):
        _check_size(name, values, faults)
    return values


def _decoded(pairs: list[bytes], faults: list[ErrorDetail]) -> Iterator[tuple[str, str]]:
    for pair in pairs:
        raw_name, _, raw_value = pair.partition(b"=")
        name = _percent_decoded(raw_name)
        shown = name.decode(errors="backslashreplace")
        try:
            texts = _text(name), _text(_percent_decoded(raw_value))
        except ValueError as error:
            faults.append(_fault(shown, str(error)))
        else:
            yield texts


def _percent_decoded(raw: bytes) -> bytes:
    return unquote_to_bytes(raw.replace(b"+", b" "))


def _text(raw: bytes) -> str:
    if b"\0" in raw:
        raise ValueError("holds a NUL character")
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"is not UTF-8 (byte {error.start + 1})") from error


def _check_size(name: str, values: Values, faults: list[ErrorDetail]) -> None:
    """Leave out, with a fault, what is over a bound."""
    given = values[name]
    if len(given) > MAX_VALUES:
        faults.append(_fault(name, f"is given {len(given)} times, over {MAX_VALUES}"))
        del values[name]
    elif any(len(text) > MAX_CHARACTERS for text in (name, *given)):
        faults.append(_fault(name, f"is longer than {MAX_CHARACTERS:,} characters"))
        del values[name]


def _is_known(name: str) -> bool:
    return name in _KNOWN or name.startswith(_DATA_PATH)


def _unknown(name: str) -> ErrorDetail:
    asked = lower_ascii(name[:_MAX_QUOTED]).strip()
    near = difflib.get_close_matches(asked, _KNOWN, n=1, cutoff=0.4)
    hint = f"; did you mean {near[0]}?" if near else "."
    return _fault(name, f"is not a parameter{hint} Known are {', '.join(_KNOWN)}, data.<path>")


def _fault(name: str, what: str) -> ErrorDetail:
    shown = _quoted(name)
    return ErrorDetail(f"{shown or 'a parameter without a name'} {what}", parameter=shown)


# --- parameters that have one value ------------------------------------------------------------


def _one(
    values: Values, name: str, parse: Callable[[str], T], faults: list[ErrorDetail]
) -> T | None:
    """The one value of that name, None if there is a fault; two spellings of it are none."""
    found: set[T] = set()
    wrong: list[ErrorDetail] = []
    for text in dict.fromkeys(values.get(name, ())):
        try:
            found.add(parse(text.strip()))
        except ValueError as error:
            wrong.append(_fault(name, str(error)))
    if len(found) > 1:
        wrong.append(_fault(name, "is given more than once, with different values"))
    faults.extend(dict.fromkeys(wrong))
    return found.pop() if found and not wrong else None


def _limit(text: str) -> int:
    digits = text.isascii() and text.isdigit()
    if not digits or not 1 <= int(text) <= MAX_LIMIT:
        raise ValueError(f"must be a whole number from 1 to {MAX_LIMIT}")
    return int(text)


def _order(text: str) -> Order:
    match lower_ascii(text):
        case "asc":
            return "asc"
        case "desc":
            return "desc"
    raise ValueError("must be asc or desc")


def _refuse_backwards(
    start: datetime | None, end: datetime | None, values: Values, faults: list[ErrorDetail]
) -> None:
    if start is None or end is None or start < end:
        return
    # A day includes itself, so the day after it starts where it ends, and is after it; but
    # from an instant to the same instant is a window, though an empty one.
    if start > dates.start_of(values["to_date"][0]):
        faults.append(_fault("from_date", "is after to_date"))


# --- data --------------------------------------------------------------------------------------


def _data_groups(values: Values, faults: list[ErrorDetail]) -> tuple[tuple[str, ...], ...]:
    """One group of alternatives for each name: all the names must match."""
    groups = []
    for name, texts in values.items():
        if name == _DATA:
            groups.append(_group(name, texts, _object, faults))
        elif name.startswith(_DATA_PATH):
            groups.append(_group(name, texts, _at_path(name), faults))
    return tuple(groups)


def _group(
    name: str, texts: list[str], parse: Callable[[str], list[str]], faults: list[ErrorDetail]
) -> tuple[str, ...]:
    alternatives: list[str] = []
    for text in dict.fromkeys(texts):
        try:
            alternatives += parse(text)
        except ValueError as error:
            fault = _fault(name, str(error))
            if fault not in faults:
                faults.append(fault)
    return tuple(alternatives)


def _object(text: str) -> list[str]:
    form = canonical_json(text)
    if not form.startswith("{"):
        raise ValueError('must be a JSON object, such as {"user":{"id":7}}')
    return [form]


def _at_path(name: str) -> Callable[[str], list[str]]:
    """How to read a value of `data.<path>`: as the text it is and, if it is JSON, as that too."""
    keys = name.removeprefix(_DATA_PATH).split(".")

    def parse(text: str) -> list[str]:
        _check_path(keys, text)
        if not text.strip():
            raise ValueError(_NO_VALUE.format(name=_quoted(name), data=_data_example(keys, text)))
        return [_nested(keys, value) for value in _readings(text)]

    return parse


_NO_VALUE = "needs a value, as in {name}=5; to ask for an empty text use {data}"
_NO_OPERATOR = (
    "contains {operator!r}, but data paths only take '=': {example}; for such a key use {data}"
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
    """`order>` and `100`, or `order>100` and nothing, become `data.order=100`."""
    parts = [part.strip(" .") for part in _operators.split(path)]
    name, *others = [part for part in parts if part] or ["name"]
    value = text.strip() or (others[0] if others else "5")
    return f"{_DATA_PATH}{_quoted(name)}={_quoted(value)}"


def _data_example(keys: list[str], text: str) -> str:
    """The same question as a JSON object, where that is short enough to be shown."""
    form = json.dumps(text, ensure_ascii=False)
    for key in reversed(keys[:MAX_JSON_DEPTH]):
        form = f"{{{json.dumps(key, ensure_ascii=False)}:{form}}}"
    return f"data={form}" if len(form) <= _MAX_QUOTED else 'data={"key":"value"}'


def _quoted(text: str) -> str:
    return text if len(text) <= _MAX_QUOTED else text[:_MAX_QUOTED] + "…"


def _readings(text: str) -> list[str]:
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
