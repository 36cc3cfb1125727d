"""From any Python object to JSON that the service takes, within a number of bytes. Pure.

Nothing here raises for what an object is or does, and no object is asked twice for what it holds.
Bytes are those of the JSON in UTF-8, and of its numbers as the service writes them out.
"""

import json
from typing import Any

MAX_DEPTH = 60  # arrays and objects in each other; the service takes 64, around which are others
_DIGITS = 4_300  # of one number, which is what the service keeps
_CUT = "…"
_CUT_BYTES = len(_CUT.encode())
_MAX_ESCAPE = len("\\u0000")

_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


def text_of(value: object) -> str:
    """Return any object as text; a subclass of `str` without what it does differently."""
    if issubclass(type(value), str):
        return str.__str__(value)
    try:
        return str.__str__(str(value))
    except Exception as error:  # noqa: BLE001 - any object may be logged
        return _without_text(value, error)


def cut_text(value: object, most: int) -> str:
    """Return it as text of at most so many bytes, without NUL and half surrogate pairs.

    Text that was cut ends with an ellipsis.
    """
    text = _storable(text_of(value)[: max(0, most) + 1])
    encoded = _encode(text)[1:-1].encode()
    if len(encoded) <= most:
        return text
    return _beginning(encoded, most - _CUT_BYTES) + _CUT if most >= _CUT_BYTES else ""


def bounded(value: object, most: int) -> tuple[Any, int]:
    """Return the value as JSON has it, and its bytes, at most so many; else the text of its repr.

    Plain objects come back, so that encoding them again gives the same.
    """
    if not issubclass(type(value), str):
        try:
            plain, size = _plain(value)
        except Exception:  # noqa: BLE001 - any object may be logged, and may do anything
            size = most + 1
        if size <= most:
            return plain, size
        value = _repr(value)
    text = cut_text(value, most - 2)
    return text, json_bytes(text)


def json_bytes(text: str) -> int:
    """Return the bytes of a text that can be stored, as JSON."""
    return len(_encode(text).encode())


def _plain(value: object) -> tuple[Any, int]:
    """Raises anything for what has no form in JSON that the service takes."""
    text = _encode(value)
    size = len(text.encode())  # not half of a surrogate pair
    if r"\u0000" in text:
        raise ValueError("it contains a NUL character")
    growth = 0

    def decimal(literal: str) -> float:
        nonlocal growth
        growth += int(literal.lower().partition("e")[2].lstrip("+-") or 0)
        return float(literal)

    def integer(literal: str) -> int:
        if len(literal) > _DIGITS:
            raise ValueError("it has too many digits")
        return int(literal)

    plain = json.loads(text, parse_float=decimal, parse_int=integer)
    if _is_deeper(plain, MAX_DEPTH):
        raise ValueError("it is nested too deep")
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
    return f"<{type(value).__name__} without a text: {type(error).__name__}>"


def _storable(text: str) -> str:
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()


def _beginning(encoded: bytes, most: int) -> str:
    """Return as much of the inside of a JSON string as is whole within so many bytes."""
    text = encoded[:most].decode("utf-8", "ignore")
    for end in range(len(text), max(-1, len(text) - _MAX_ESCAPE), -1):
        try:
            return str(json.loads(f'"{text[:end]}"'))
        except ValueError:  # an escape is cut
            continue
    return ""
