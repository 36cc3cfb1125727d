"""From a posted body to an event: quick for a good one, precise about a bad one. Pure.

`parse` takes what is plainly good and nothing else; `explain` takes what is good and says
everything that is wrong with the rest. A property test holds them against each other.
"""

import json
import re
from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
from pydantic import ValidationError

from api.faults import Fault
from api.problems import Problem
from api.schemas import EMAIL_CHARACTERS, NAME_CHARACTERS, EventBody, is_email

DEPTH = 64
DIGITS = 4300  # Python's own bound, and that of many other readers, on one number
EXPONENT = 308  # of a 64-bit float, which is what most readers make of a number

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

# Escapes that may hide a NUL or a lone surrogate; numbers with an exponent or very many digits.
_suspect = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])|[:,\[\s]-?\d[\d.]*[eE]|\d{500}").search


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
        or (body.count(b"[") + body.count(b"{") > DEPTH and _depth(body.decode()) > DEPTH + 1)
    ):
        return None
    return event


def explain(body: bytes, limit: int) -> EventIn:
    """A good body, or the Problem with every fault in it: 400 not JSON, 422 not an event.

    `limit`: bytes an event may have once its numbers are written out.
    """
    text = _text(body)
    if _depth(text) > DEPTH + 1:
        raise _invalid([Fault(f"is nested deeper than {DEPTH} levels", pointer="/data")])
    value = _json(text)
    if not isinstance(value, dict):
        raise _invalid([Fault("must be a JSON object with the event's fields", pointer="")])
    faults = list(_faults_of_values(value, ""))
    seen = {fault.pointer for fault in faults}
    faults += [fault for fault in _faults_of_fields(value) if fault.pointer not in seen]
    if not faults and len(body) + _growth(value) > limit:
        faults = [Fault(f"with its numbers written out exceeds {limit} bytes", pointer="/data")]
    if faults:
        raise _invalid(faults)
    return _decode(body)


def _good_email(email: str) -> bool:
    return len(email) <= EMAIL_CHARACTERS and is_email(email) is not None


def _invalid(faults: list[Fault]) -> Problem:
    count = len(faults)
    return Problem(422, f"{count} {'thing is' if count == 1 else 'things are'} wrong.", faults)


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise Problem(400, f"The body is not UTF-8: byte {error.start} is wrong.") from None


class _Number:
    """A number's text: reading it as a float would lose digits."""

    def __init__(self, text: str) -> None:
        self.text = text

    def fault(self) -> str | None:
        mantissa, _, exponent = self.text.lower().partition("e")
        digits = sum(map(str.isdigit, mantissa))
        if digits > DIGITS:
            return f"has {digits} digits; at most {DIGITS} are kept"
        if exponent and (len(exponent) > 5 or self._out_of_range(mantissa, int(exponent))):
            return "overflows: its exponent is beyond that of a 64-bit float"
        return None

    def growth(self) -> int:
        """Bytes it gains when written without exponent, as PostgreSQL does."""
        exponent = self.text.lower().partition("e")[2]
        return abs(int(exponent)) if exponent else 0

    @staticmethod
    def _out_of_range(mantissa: str, exponent: int) -> bool:
        whole = mantissa.lstrip("-").partition(".")[0].lstrip("0")
        return not -EXPONENT <= exponent + max(len(whole) - 1, 0) <= EXPONENT or (
            float(f"{mantissa}e{exponent}") in (float("inf"), float("-inf"))
        )


class _NotANumber:
    """NaN or an infinity, which JSON does not have (RFC 8259, 6)."""

    def __init__(self, text: str) -> None:
        self.text = text


def _json(text: str) -> Any:
    try:
        return json.loads(text, parse_float=_Number, parse_int=_Number, parse_constant=_NotANumber)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise Problem(400, f"The body is not JSON: {error.msg} at {where}.") from None


def _faults_of_values(value: Any, pointer: str) -> Iterator[Fault]:
    """What no JSON reader or PostgreSQL would take, wherever it stands."""
    match value:
        case dict():
            for key, item in value.items():
                here = f"{pointer}/{_escaped(key)}"
                yield from _faults_of_text(key, here, "its name ")
                yield from _faults_of_values(item, here)
        case list():
            for index, item in enumerate(value):
                yield from _faults_of_values(item, f"{pointer}/{index}")
        case str():
            yield from _faults_of_text(value, pointer)
        case _Number():
            if fault := value.fault():
                yield Fault(fault, pointer=pointer)
        case _NotANumber():
            yield Fault(f"{value.text} is not a JSON number", pointer=pointer)


def _faults_of_text(text: str, pointer: str, what: str = "") -> Iterator[Fault]:
    if "\0" in text:
        yield Fault(f"{what}contains a NUL character, which can't be stored", pointer=pointer)
    if not _encodes(text):
        yield Fault(f"{what}contains half of a surrogate pair", pointer=pointer)


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _growth(value: Any) -> int:
    match value:
        case dict():
            return sum(map(_growth, value.values()))
        case list():
            return sum(map(_growth, value))
        case _Number():
            return value.growth()
    return 0


def _faults_of_fields(value: dict[str, Any]) -> Iterator[Fault]:
    try:
        EventBody.model_validate(value)
    except ValidationError as error:
        for found in error.errors(include_url=False, include_input=False, include_context=False):
            pointer = "".join(f"/{_escaped(str(part))}" for part in found["loc"])
            yield Fault(_detail(found["type"], found["msg"]), pointer=pointer)


def _detail(kind: str, message: str) -> str:
    if kind == "missing":
        return "is required"
    if kind == "extra_forbidden":
        return "is not a field of an event; what is extra belongs in data"
    return message.removeprefix("Value error, ").replace("String", "string").replace("Input", "it")


def _escaped(key: str) -> str:
    """A key in a JSON pointer (RFC 6901, 3), printable whatever it holds."""
    shown = key.encode("utf-8", "backslashreplace").decode()
    return shown.replace("~", "~0").replace("/", "~1")


_STRING = re.compile(r'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
_BRACKET = re.compile(r"[\[\]{}]")


def _depth(text: str) -> int:
    """How deep arrays and objects are nested, the outermost being 1."""
    depth = deepest = 0
    for bracket in _BRACKET.findall(_STRING.sub("", text)):
        depth += 1 if bracket in "[{" else -1
        deepest = max(deepest, depth)
    return deepest
