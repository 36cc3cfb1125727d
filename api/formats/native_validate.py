"""Validate a body that is not plainly good: take a good one, list every fault of a bad one. Pure.

Slow and precise, where `api/formats/native_fast.py` is fast. A property test compares the two.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

import msgspec
from pydantic import ValidationError

from api.formats.json_document import (
    Members,
    Path,
    decode_utf8,
    pointer,
    pointer_to_too_deep,
    printable,
    read_json,
)
from api.formats.native_fast import MAX_EVENT_DEPTH, EventIn, decode, normalize_instant
from api.formats.schemas import EventBody
from api.formats.validation_problem import MAX_ERRORS, validation_problem
from api.http.error_detail import ErrorDetail
from storage.model.json_rules import (
    MAX_DIGITS,
    MAX_JSON_DEPTH,
    constant_fault,
    exponent_of,
    is_too_deep,
    number_fault,
    text_faults,
)
from storage.model.suggestion import did_you_mean


def validate(body: bytes, max_bytes: int) -> EventIn:
    """Return the event of a good body.

    `max_bytes`: what an event may have once its numbers are written out. Raises Problem with every
    fault: 400 if the body is not JSON, 422 if it is not an event.
    """
    text = decode_utf8(body)
    if is_too_deep(body, MAX_EVENT_DEPTH):
        place = pointer_to_too_deep(text, MAX_EVENT_DEPTH)
        raise validation_problem(
            [ErrorDetail(f"is nested deeper than {MAX_JSON_DEPTH} levels", pointer=place)]
        )
    document = _read(text)
    if not isinstance(document.value, Members):
        fault = ErrorDetail("must be a JSON object with the event's fields", pointer="")
        raise validation_problem([fault])
    faults = list(islice(_faults(document, text), MAX_ERRORS + 1))
    if not faults and len(body) + document.growth > max_bytes:
        detail = f"with its numbers written out exceeds {max_bytes} bytes"
        faults = [ErrorDetail(detail, pointer="/data")]
    if faults:
        raise validation_problem(faults)
    try:
        event = decode(body)
    except msgspec.ValidationError:  # of a repeated name the last value is good, another is not
        raise validation_problem(list(_faults_of_repeated(document.value))) from None
    normalize_instant(event)
    return event


@dataclass(frozen=True, slots=True)
class _BadNumber:
    fault: str


@dataclass(frozen=True, slots=True)
class _Document:
    """JSON as read: good numbers are 0 in it. `growth`: bytes gained by writing them out."""

    value: Any
    growth: int
    has_bad_number: bool


# Such a number breaks no rule: it has few digits, and is far from infinite.
_is_small = re.compile(r"[-0-9.]{1,200}[eE][-+]?([0-9]{1,2})").fullmatch


def _read(text: str) -> _Document:
    growth, bad = 0, False

    def number(literal: str) -> Any:
        nonlocal growth, bad
        if len(literal) <= MAX_DIGITS and "e" not in literal and "E" not in literal:
            return 0  # plainly good; only bad numbers are looked at later
        if small := _is_small(literal):
            growth += int(small[1])
            return 0
        growth += exponent_of(literal)
        if fault := number_fault(literal):
            bad = True
            return _BadNumber(fault)
        return 0

    def constant(literal: str) -> Any:
        nonlocal bad
        bad = True
        return _BadNumber(constant_fault(literal))

    return _Document(read_json(text, number, constant), growth, bad)


# What may be a NUL or a lone surrogate: spelt without an escape it is not JSON, or not UTF-8.
_has_suspect_escape = re.compile(r"\\u(?:0000|[dD][89a-fA-F])").search


def _faults(document: _Document, text: str) -> Iterator[ErrorDetail]:
    suspect = document.has_bad_number or _has_suspect_escape(text)
    of_values = _faults_of_values(document.value, ()) if suspect else ()
    return chain(of_values, _faults_of_fields(document.value))


def _faults_of_values(value: Any, path: Path) -> Iterator[ErrorDetail]:
    """Yield what breaks a rule of `storage/model/json_rules.py`, at any depth."""
    match value:
        case Members():
            for name, item in value:
                yield from _faults_of_text(name, (*path, name), "its name ")
                yield from _faults_of_values(item, (*path, name))
        case list():
            for index, item in enumerate(value):
                if item != 0:  # most of a long list are numbers
                    yield from _faults_of_values(item, (*path, index))
        case str():
            yield from _faults_of_text(value, path)
        case _BadNumber():
            yield ErrorDetail(value.fault, pointer=pointer(path))


def _faults_of_text(text: str, path: Path, what: str = "") -> Iterator[ErrorDetail]:
    for fault in text_faults(text):
        yield ErrorDetail(f"{what}{fault}", pointer=pointer(path))


def _faults_of_fields(members: Members) -> Iterator[ErrorDetail]:
    known = {name: item for name, item in members if name in EventBody.model_fields}
    others = (item for item in members if item[0] not in EventBody.model_fields)
    unknown = {printable(name): None for name, _ in islice(others, MAX_ERRORS + 1)}
    try:
        EventBody.model_validate(known | unknown)
    except ValidationError as error:
        for found in error.errors(include_url=False, include_input=False, include_context=False):
            if found["type"] != "string_unicode":  # a lone surrogate: among the faults of values
                detail = _detail(found["type"], found["msg"], str(found["loc"][0]))
                yield ErrorDetail(detail, pointer=pointer(found["loc"]))


def _faults_of_repeated(members: Members) -> Iterator[ErrorDetail]:
    for name, count in Counter(name for name, _ in members).items():
        if count > 1:
            detail = "is repeated, and not every value is valid"
            yield ErrorDetail(detail, pointer=pointer((name,)))


_INSTANT = ", an instant of RFC 3339 with an offset, such as 2026-04-16T12:30:00.25Z"

# What people call the time at which an event happened.
_TIMES = ("timestamp", "ts", "time", "date", "datetime", "created_at", "event_time")


def _unknown_field(name: str) -> str:
    near = did_you_mean(name.lower(), EventBody.model_fields)
    hint = "; did you mean occurred_at?" if name.lower() in _TIMES else near
    put = " Put" if hint else "; put"
    return f"is not a field of an event{hint}{put} additional values into data"


def _detail(kind: str, message: str, name: str) -> str:
    """Return pydantic's error about this field in the words of this service."""
    if kind == "missing":
        return "is required"
    if kind == "extra_forbidden":
        return _unknown_field(name)
    if kind == "string_type":
        return f"must be a string{_INSTANT if name == 'occurred_at' else ''}"
    if kind == "string_too_short":
        return "must not be empty"
    return message.removeprefix("Value error, ").replace("String", "string").replace("Input", "it")
