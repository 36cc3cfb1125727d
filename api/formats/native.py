"""From a posted body to an event: fast for a good one, precise about a bad one. Pure.

`parse` takes what is plainly good and nothing else; `validate` takes what is good and says
everything that is wrong with the rest. A property test holds them against each other.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, islice
from typing import Annotated, Any

import msgspec
from pydantic import ValidationError

from api.formats.schemas import EMAIL_CHARACTERS, NAME_CHARACTERS, EventBody, is_email
from api.http.error_detail import ErrorDetail
from api.http.problems import Problem
from storage.model.json_rules import MAX_DIGITS as DIGITS
from storage.model.json_rules import MAX_JSON_DEPTH as DEPTH
from storage.model.json_rules import (
    constant_fault,
    exponent_of,
    is_too_deep,
    number_fault,
    text_faults,
)

MAX_ERRORS = 100  # an answer should not be many times as large as the body,
_MAX_CHARACTERS = 64 * 1024  # nor should its pointers, each of them
_MAX_NAME_CHARACTERS = 255

_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=NAME_CHARACTERS)]
_NULL = msgspec.Raw(b"null")
_LEVELS = DEPTH + 1  # of `data`, within the event's own


class EventIn(msgspec.Struct, forbid_unknown_fields=True):
    """A posted event. `data` is the very text that was posted."""

    component: _Name
    environment: _Name
    message: str
    email: str | None = None
    data: msgspec.Raw = _NULL


_decode = msgspec.json.Decoder(EventIn).decode

# A pattern takes 10 ns a byte to find where it may begin, translating and finding a fixed text less
# than 2. So what is part of a number but a point becomes 0 at first: an exponent, like very many
# digits, is then between zeros. Only where something is do the patterns decide; for that of the
# exponent whatever is part of a number becomes 0, and what may stand before one a colon.
_DIGITS_ALIKE = bytes.maketrans(b"0123456789+-E", b"000000000000e")
_MANY_DIGITS = b"0" * 500
_has_many_digits = re.compile(rb"(?<!\d)\d{500}").search
_NUMBERS_ALIKE = bytes.maketrans(b"0123456789.E,[ \t\n\r\f\v", b"00000000000e::::::::")
_has_exponent = re.compile(rb":-?0+e").search


def _suspect(text: bytes) -> bool:
    """What msgspec would take: an escaped NUL, a number with an exponent or very many digits."""
    digits = text.translate(_DIGITS_ALIKE)
    return (
        (b"\\" in text and rb"\u0000" in text)
        or (b"0e0" in digits and _has_exponent(text.translate(_NUMBERS_ALIKE)) is not None)
        or (len(text) > DIGITS and _MANY_DIGITS in digits and _has_many_digits(text) is not None)
    )


def _has_good_fields(event: EventIn) -> bool:
    """As far as msgspec does not tell."""
    email = event.email
    return bool(
        event.component.strip()
        and event.environment.strip()
        and event.message.strip()
        and (email is None or (len(email) <= EMAIL_CHARACTERS and is_email(email)))
    )


def parse(body: bytes) -> EventIn | None:
    """The event of a plainly good body; None for any other, good or bad."""
    try:
        body.decode()  # msgspec does not look into the strings of `data`
        event = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if not _has_good_fields(event) or _suspect(body) or is_too_deep(body, _LEVELS):
        return None
    return event


def parse_all(bodies: list[bytes]) -> list[EventIn] | None:
    """The events of bodies that are all plainly good; None where one is not: `parse` tells which.

    What `parse` looks for in a body is looked for in all of them as one text: there it shows too.
    """
    text = b"\n".join(bodies)
    try:
        text.decode()
        events = [*map(_decode, bodies)]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if _suspect(text) or not all(map(_has_good_fields, events)):
        return None
    some = [body for body in bodies if body.count(b"[") + body.count(b"{") > _LEVELS]
    return None if any(is_too_deep(body, _LEVELS) for body in some) else events


def validate(body: bytes, limit: int) -> EventIn:
    """A good body, or the Problem with every fault in it: 400 not JSON, 422 not an event.

    `limit`: bytes an event may have once its numbers are written out.
    """
    text = utf8(body)
    if is_too_deep(body, _LEVELS):
        place = place_of_too_deep(text, _LEVELS)
        raise invalid([ErrorDetail(f"is nested deeper than {DEPTH} levels", pointer=place)])
    value, growth, odd = _json(text)
    if not isinstance(value, Members):
        raise invalid([ErrorDetail("must be a JSON object with the event's fields", pointer="")])
    values = _faults_of_values(value, ()) if odd or _has_odd_text(text) else ()
    faults = list(islice(chain(values, _faults_of_fields(value)), MAX_ERRORS + 1))
    if not faults and len(body) + growth > limit:
        faults = [
            ErrorDetail(f"with its numbers written out exceeds {limit} bytes", pointer="/data")
        ]
    if faults:
        raise invalid(faults)
    try:
        return _decode(body)
    except msgspec.ValidationError:  # of a repeated name the last value was good, another is not
        raise invalid(list(_faults_of_repeated(value))) from None


_FIRST_OF_THEM = "More than {} things are wrong; these are the first of them."


def is_cut(problem: Problem) -> bool:
    """Whether more is wrong than what the Problem tells."""
    return problem.detail == _FIRST_OF_THEM.format(len(problem.faults))


def invalid(faults: Sequence[ErrorDetail], more: bool = False) -> Problem:
    """The Problem with as many faults as an answer has room for; `more`: these are not all."""
    count, shown = len(faults), _shown(faults)
    if shown < count or more:
        return Problem(422, _FIRST_OF_THEM.format(shown), faults[:shown])
    return Problem(422, f"{count} {'thing is' if count == 1 else 'things are'} wrong.", faults)


def _shown(faults: Sequence[ErrorDetail]) -> int:
    """How many of them an answer has room for: one at least."""
    sizes = accumulate(len(fault.pointer or "") for fault in faults[:MAX_ERRORS])
    return max(1, sum(size <= _MAX_CHARACTERS for size in sizes))


def utf8(body: bytes | bytearray) -> str:
    """The body as text. Raises Problem 400 when it is none."""
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise Problem(400, f"The body is not UTF-8: byte {error.start} is wrong.") from None


class Members(list[tuple[str, Any]]):
    """An object's names and values, repeated names too: PostgreSQL reads each of them."""


@dataclass(frozen=True, slots=True)
class _BadNumber:
    fault: str


# Nothing is wrong with such a number: it has few digits, and is far from infinite.
_is_small = re.compile(r"[-0-9.]{1,200}[eE][-+]?([0-9]{1,2})").fullmatch


def _json(text: str) -> tuple[Any, int, bool]:
    """The value, the bytes it gains when its numbers are written out, whether one is bad."""
    growth, bad = 0, False

    def number(literal: str) -> Any:
        nonlocal growth, bad
        if len(literal) <= DIGITS and "e" not in literal and "E" not in literal:
            return 0  # plainly good; what it is matters to nobody here
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

    return read_json(text, number, constant), growth, bad


def read_json(text: str, number: Callable[[str], Any], constant: Callable[[str], Any]) -> Any:
    """The value, its numbers and NaN and infinities made by these. Raises Problem 400."""
    try:
        return json.loads(
            text,
            object_pairs_hook=Members,
            parse_float=number,
            parse_int=number,
            parse_constant=constant,
        )
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise Problem(400, f"The body is not JSON: {error.msg} at {where}.") from None


# What may be a NUL or half of a surrogate pair: written otherwise they are not JSON, or not UTF-8.
_has_odd_text = re.compile(r"\\u(?:0000|[dD][89a-fA-F])").search


Path = tuple[str | int, ...]


def _faults_of_values(value: Any, path: Path) -> Iterator[ErrorDetail]:
    """What no JSON reader or PostgreSQL would take, wherever it stands."""
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
    unknown = {_printable(name): None for name, _ in islice(others, MAX_ERRORS + 1)}
    try:
        EventBody.model_validate(known | unknown)
    except ValidationError as error:
        for found in error.errors(include_url=False, include_input=False, include_context=False):
            if found["type"] != "string_unicode":  # surrogates, told of with the other values
                yield ErrorDetail(
                    _detail(found["type"], found["msg"]), pointer=pointer(found["loc"])
                )


def _faults_of_repeated(members: Members) -> Iterator[ErrorDetail]:
    for name, count in Counter(name for name, _ in members).items():
        if count > 1:
            yield ErrorDetail(
                "is given more than once, and not always right", pointer=pointer((name,))
            )


def _detail(kind: str, message: str) -> str:
    if kind == "missing":
        return "is required"
    if kind == "extra_forbidden":
        return "is not a field of an event; what is extra belongs in data"
    if kind == "string_too_short":
        return "must not be empty"
    return message.removeprefix("Value error, ").replace("String", "string").replace("Input", "it")


def pointer(path: Path) -> str:
    """A JSON pointer (RFC 6901), printable and of bounded length whatever the names hold."""
    return "".join(f"/{_escaped(str(part))}" for part in path)


def _escaped(name: str) -> str:
    shown = name if len(name) <= _MAX_NAME_CHARACTERS else name[:_MAX_NAME_CHARACTERS] + "…"
    return _printable(shown).replace("~", "~0").replace("/", "~1")


def _printable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


# A string, possessive and with an optional closing quote so that it is linear, or a bracket.
_TOKEN = re.compile(r'"((?:[^"\\]|\\.)*+)"?|[\[\]{}]', re.DOTALL)


def place_of_too_deep(text: str, most: int) -> str:
    """The pointer to the field that makes for more than that many arrays and objects in each other.

    Found without parsing: parsers fail on what is nested too deep, each in its own way.
    """
    depth, name = 0, ""
    for token in _TOKEN.finditer(text):
        if token[0] in "[{":
            depth += 1
            if depth > most:
                return pointer((name,)) if text.lstrip().startswith("{") else ""
        elif token[0] in "]}":
            depth -= 1
        elif depth == 1:
            name = token[1]
    raise AssertionError("only asked where something is too deep")
