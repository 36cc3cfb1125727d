"""Convert any Python object to JSON that the service accepts, within a size limit. Pure.

Nothing here raises, whatever an object is or does, and no object is read twice. Sizes are bytes of
UTF-8 JSON, with numbers as the service writes them.
"""

import json
from typing import Any

MAX_DEPTH = 60  # of nested arrays and objects; the service accepts 64, and others enclose these
_DIGITS = 4_300  # of one number, the limit of the service
_CUT = "…"
_CUT_BYTES = len(_CUT.encode())
_MAX_ESCAPE = len("\\u0000")

_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


def text_of(value: object) -> str:
    """Return any object as a string; ignore what a subclass of `str` overrides."""
    if issubclass(type(value), str):
        return str.__str__(value)
    try:
        return str.__str__(str(value))
    except Exception as error:  # noqa: BLE001 - any object may be logged
        return _without_text(value, error)


def cut_text(value: object, most: int) -> str:
    """Return a value as a string of at most `most` bytes, without NUL and lone surrogates.

    A truncated string ends with an ellipsis.
    """
    text = _storable(text_of(value)[: max(0, most) + 1])
    encoded = _encode(text)[1:-1].encode()
    if len(encoded) <= most:
        return text
    return _beginning(encoded, most - _CUT_BYTES) + _CUT if most >= _CUT_BYTES else ""


def bounded(value: object, most: int) -> tuple[Any, int]:
    """Return a value as plain JSON objects, and its size; truncate its repr if it does not fit.

    The result has at most `most` bytes, and encoding it again gives the same JSON.
    """
    if not issubclass(type(value), str):
        try:
            plain, size = _plain(value)
        except Exception:  # noqa: BLE001 - any object may be logged, and may raise anything
            size = most + 1
        if size <= most:
            return plain, size
        value = _repr(value)
    text = cut_text(value, most - 2)
    return text, json_bytes(text)


def json_bytes(text: str) -> int:
    """Return the size of a string as JSON; it must hold no lone surrogate."""
    return len(_encode(text).encode())


def _plain(value: object) -> tuple[Any, int]:
    """Return a value as plain JSON objects, and its size.

    Raise any exception if the service would reject the value.
    """
    text = _encode(value)
    size = len(text.encode())  # raises for a lone surrogate
    if r"\u0000" in text:
        raise ValueError("the value contains a NUL character")
    growth = 0

    def decimal(literal: str) -> float:
        nonlocal growth
        growth += int(literal.lower().partition("e")[2].lstrip("+-") or 0)
        return float(literal)

    def integer(literal: str) -> int:
        if len(literal) > _DIGITS:
            raise ValueError("a number has too many digits")
        return int(literal)

    plain = json.loads(text, parse_float=decimal, parse_int=integer)
    if _is_deeper(plain, MAX_DEPTH):
        raise ValueError("the value is nested too deeply")
    return plain, size + growth


def _is_deeper(value: object, most: int) -> bool:
    if not isinstance(value, list | dict):
        return False
    items = value.values() if isinstance(value, dict) else value
    return most == 0 or any(_is_deeper(item, most - 1) for item in items)


def _repr(value: object) -> str:
    try:
        return str.__str__(repr(value))
    except Exception as error:  # noqa: BLE001 - any object may be logged
        return _without_text(value, error)


def _without_text(value: object, error: Exception) -> str:
    return f"<{type(value).__name__} without text: {type(error).__name__}>"


def _storable(text: str) -> str:
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()


def _beginning(encoded: bytes, most: int) -> str:
    """Return the longest prefix of an escaped string that decodes and fits `most` bytes."""
    text = encoded[:most].decode("utf-8", "ignore")
    for end in range(len(text), max(-1, len(text) - _MAX_ESCAPE), -1):
        try:
            return str(json.loads(f'"{text[:end]}"'))
        except ValueError:  # an escape sequence is incomplete
            continue
    return ""
