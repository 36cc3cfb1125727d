"""From a posted body to an event: quick for a good one, precise about a bad one. Pure.

`parse` takes what is plainly good and nothing else; `explain` takes what is good and says
everything that is wrong with the rest. A property test holds them against each other.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from itertools import chain, islice
from math import isinf
from typing import Annotated, Any

import msgspec
from pydantic import ValidationError

from api.faults import Fault
from api.problems import Problem
from api.schemas import EMAIL_CHARACTERS, NAME_CHARACTERS, EventBody, is_email

DEPTH = 64
DIGITS = 4300  # Python's own bound, and that of many other readers, on one number
MOST_FAULTS = 100  # an answer should not be many times as large as the body
_MOST_OF_A_NAME = 255

_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=NAME_CHARACTERS)]
_NULL = msgspec.Raw(b"null")


class EventIn(msgspec.Struct, forbid_unknown_fields=True):
    """A posted event. `data` is the very text that was posted."""

    component: _Name
    environment: _Name
    message: str
    email: str | None = None
    data: msgspec.Raw = _NULL


_decode = msgspec.json.Decoder(EventIn).decode

# Two patterns and a plain search: as one pattern they take three times as long.
_has_exponent = re.compile(rb"[:,\[\s]-?\d[\d.]*[eE]").search
_has_many_digits = re.compile(rb"(?<!\d)\d{500}").search


def _suspect(body: bytes) -> bool:
    """What msgspec would take: an escaped NUL, a number with an exponent or very many digits."""
    return (
        rb"\u0000" in body
        or _has_exponent(body) is not None
        or (len(body) > DIGITS and _has_many_digits(body) is not None)
    )


def parse(body: bytes) -> EventIn | None:
    """The event of a plainly good body; None for any other, good or bad."""
    try:
        body.decode()  # msgspec does not look into the strings of `data`
        event = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if (
        not event.component.strip()
        or not event.environment.strip()
        or not event.message.strip()
        or (event.email is not None and not _good_email(event.email))
        or _suspect(body)
        or (body.count(b"[") + body.count(b"{") > DEPTH and _too_deep(body.decode()) is not None)
    ):
        return None
    return event


def explain(body: bytes, limit: int) -> EventIn:
    """A good body, or the Problem with every fault in it: 400 not JSON, 422 not an event.

    `limit`: bytes an event may have once its numbers are written out.
    """
    text = _text(body)
    deep = _too_deep(text)
    if deep is not None:
        raise _invalid([Fault(f"is nested deeper than {DEPTH} levels", pointer=deep)])
    value, growth = _json(text)
    if not isinstance(value, _Members):
        raise _invalid([Fault("must be a JSON object with the event's fields", pointer="")])
    faults = chain(_faults_of_values(value, ()), _faults_of_fields(value))
    listed = list(islice(faults, MOST_FAULTS + 1))
    if not listed and len(body) + growth > limit:
        listed = [Fault(f"with its numbers written out exceeds {limit} bytes", pointer="/data")]
    if listed:
        raise _invalid(listed)
    try:
        return _decode(body)
    except msgspec.ValidationError:  # of a repeated name the last value was good, another is not
        raise _invalid(list(_faults_of_repeated(value))) from None


def _good_email(email: str) -> bool:
    return len(email) <= EMAIL_CHARACTERS and is_email(email) is not None


def _invalid(faults: list[Fault]) -> Problem:
    count = len(faults)
    if count > MOST_FAULTS:
        detail = f"More than {MOST_FAULTS} things are wrong; these are the first of them."
        return Problem(422, detail, faults[:MOST_FAULTS])
    return Problem(422, f"{count} {'thing is' if count == 1 else 'things are'} wrong.", faults)


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise Problem(400, f"The body is not UTF-8: byte {error.start} is wrong.") from None


class _Members(list[tuple[str, Any]]):
    """An object's names and values, repeated names too: PostgreSQL reads each of them."""


class _Number:
    """A number that is not plainly good, as it is spelt: a float would lose digits.

    An integer or decimal may have DIGITS digits. One with an exponent is a 64-bit float to most
    readers, so it must not be infinite there. Its exponent may be DIGITS at most, up or down:
    then it has at most 309 digits before the point and 8,600 after it once PostgreSQL has
    written it out, and `numeric` holds 131,072 and 16,383. That bound is for zeros too.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        mantissa, _, exponent = text.lower().partition("e")
        self._digits = len(mantissa.lstrip("-").replace(".", ""))
        self.exponent = int(exponent.lstrip("+-0")[:5] or "0")  # without its sign

    def fault(self) -> str | None:
        if self._digits > DIGITS:
            return f"has {self._digits} digits; at most {DIGITS} are kept"
        if self.exponent > DIGITS:
            return f"overflows: its exponent is beyond {DIGITS}"
        if self.exponent and isinf(float(self._text)):
            return "overflows: it is infinite as a 64-bit float"
        return None


class _NotANumber:
    """NaN or an infinity, which JSON does not have (RFC 8259, 6)."""

    def __init__(self, text: str) -> None:
        self.text = text


def _json(text: str) -> tuple[Any, int]:
    """The value, and the bytes it gains when its numbers are written out without exponents."""
    odd: list[_Number] = []

    def number(literal: str) -> Any:
        if len(literal) <= DIGITS and "e" not in literal and "E" not in literal:
            return 0  # plainly good; what it is matters to nobody here
        odd.append(_Number(literal))
        return odd[-1]

    try:
        value = json.loads(
            text,
            object_pairs_hook=_Members,
            parse_float=number,
            parse_int=number,
            parse_constant=_NotANumber,
        )
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise Problem(400, f"The body is not JSON: {error.msg} at {where}.") from None
    return value, sum(number.exponent for number in odd)


_Path = tuple[str | int, ...]


def _faults_of_values(value: Any, path: _Path) -> Iterator[Fault]:
    """What no JSON reader or PostgreSQL would take, wherever it stands."""
    match value:
        case _Members():
            for name, item in value:
                yield from _faults_of_text(name, (*path, name), "its name ")
                yield from _faults_of_values(item, (*path, name))
        case list():
            for index, item in enumerate(value):
                if item != 0:  # most of a long list are numbers
                    yield from _faults_of_values(item, (*path, index))
        case str():
            yield from _faults_of_text(value, path)
        case _Number():
            if fault := value.fault():
                yield Fault(fault, pointer=_pointer(path))
        case _NotANumber():
            yield Fault(f"{value.text} is not a JSON number", pointer=_pointer(path))


def _faults_of_text(text: str, path: _Path, what: str = "") -> Iterator[Fault]:
    if "\0" in text:
        detail = f"{what}contains a NUL character, which can't be stored"
        yield Fault(detail, pointer=_pointer(path))
    if not _encodes(text):
        yield Fault(f"{what}contains half of a surrogate pair", pointer=_pointer(path))


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _faults_of_fields(members: _Members) -> Iterator[Fault]:
    try:
        EventBody.model_validate({_printable(name): item for name, item in members})
    except ValidationError as error:
        for found in error.errors(include_url=False, include_input=False, include_context=False):
            if found["type"] != "string_unicode":  # surrogates, told of with the other values
                yield Fault(_detail(found["type"], found["msg"]), pointer=_pointer(found["loc"]))


def _faults_of_repeated(members: _Members) -> Iterator[Fault]:
    for name, count in Counter(name for name, _ in members).items():
        if count > 1:
            yield Fault("is given more than once, and not always right", pointer=_pointer((name,)))


def _detail(kind: str, message: str) -> str:
    if kind == "missing":
        return "is required"
    if kind == "extra_forbidden":
        return "is not a field of an event; what is extra belongs in data"
    return message.removeprefix("Value error, ").replace("String", "string").replace("Input", "it")


def _pointer(path: _Path) -> str:
    """A JSON pointer (RFC 6901), printable and of bounded length whatever the names hold."""
    return "".join(f"/{_escaped(str(part))}" for part in path)


def _escaped(name: str) -> str:
    shown = name if len(name) <= _MOST_OF_A_NAME else name[:_MOST_OF_A_NAME] + "…"
    return _printable(shown).replace("~", "~0").replace("/", "~1")


def _printable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


# A string, possessive and with an optional closing quote so that it is linear, or a bracket.
_TOKEN = re.compile(r'"((?:[^"\\]|\\.)*+)"?|[\[\]{}]', re.DOTALL)


def _too_deep(text: str) -> str | None:
    """The pointer to the field with more than DEPTH arrays and objects in each other, or None.

    Found without parsing: parsers fail on what is nested too deep, each in its own way.
    """
    depth, name = 0, ""
    for token in _TOKEN.finditer(text):
        if token[0] in "[{":
            depth += 1
            if depth > DEPTH + 1:
                return _pointer((name,)) if text.lstrip().startswith("{") else ""
        elif token[0] in "]}":
            depth -= 1
        elif depth == 1:
            name = token[1]
    return None
