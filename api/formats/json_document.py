"""Read JSON with repeated names and numbers as sent, and point into it. Pure."""

import json
import re
from collections.abc import Callable
from typing import Any

from api.http.problems import Problem

_MAX_NAME_CHARACTERS = 255  # of each name in a pointer

Path = tuple[str | int, ...]


class Members(list[tuple[str, Any]]):
    """An object's names and values, with repeated names: PostgreSQL reads each of them."""


def decode_utf8(body: bytes | bytearray) -> str:
    """Return the body as text. Raises Problem 400 if it is not UTF-8."""
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise Problem(400, f"The body is not UTF-8: byte {error.start} is wrong.") from None


def read_json(text: str, number: Callable[[str], Any], constant: Callable[[str], Any]) -> Any:
    """Return the value: `number` makes its numbers, `constant` its NaN and infinities.

    Raises Problem 400 if the text is not JSON.
    """
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


def pointer(path: Path) -> str:
    """Return a JSON pointer (RFC 6901), printable and of bounded length whatever the names hold."""
    return "".join(f"/{_escape(str(part))}" for part in path)


def _escape(name: str) -> str:
    shown = name if len(name) <= _MAX_NAME_CHARACTERS else name[:_MAX_NAME_CHARACTERS] + "…"
    return printable(shown).replace("~", "~0").replace("/", "~1")


def printable(text: str) -> str:
    """Return the text with lone surrogates as escapes, so that it can be encoded."""
    return text.encode("utf-8", "backslashreplace").decode()


# A string, possessive and with an optional closing quote so that it is linear, or a bracket.
_TOKEN = re.compile(r'"((?:[^"\\]|\\.)*+)"?|[\[\]{}]', re.DOTALL)


def pointer_to_too_deep(text: str, max_depth: int) -> str:
    """Return the pointer to the field that nests more than `max_depth` arrays and objects.

    Found without parsing: parsers fail on text that is nested too deep, each in its own way.
    """
    depth, name = 0, ""
    for token in _TOKEN.finditer(text):
        if token[0] in "[{":
            depth += 1
            if depth > max_depth:
                return pointer((name,)) if text.lstrip().startswith("{") else ""
        elif token[0] in "]}":
            depth -= 1
        elif depth == 1:
            name = token[1]
    raise AssertionError("call this only if the text is too deep")
