"""Give values of the input the type that a mapping names. Pure."""

import json
import re
from typing import Literal

import msgspec

from cli.send.csv_columns import json_of

Kind = Literal["number", "json", "text"]
KINDS: tuple[Kind, ...] = ("number", "json", "text")

_SHOWN = 40  # characters of a value that is not of its type
_encode = msgspec.json.Encoder().encode
_is_number = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?", re.ASCII).fullmatch
_read_text = msgspec.json.Decoder(str).decode


class NotOfType(Exception):
    """A value is not of the type that its mapping names."""


def typed(value: msgspec.Raw, kind: Kind) -> msgspec.Raw:
    """Return the value as this type, with each digit as it is. Raises NotOfType."""
    text = _text_of(value)
    if kind == "text":
        return value if text is not None else msgspec.Raw(_encode(bytes(value).decode()))
    if kind == "json":
        found = value if text is None else json_of(text)
    else:
        plain = (bytes(value).decode() if text is None else text).strip()
        found = msgspec.Raw(plain.encode()) if _is_number(plain) else None
    if found is None:
        shown = bytes(value).decode() if text is None else text
        what = "a number, such as -26.46" if kind == "number" else "JSON"
        raise NotOfType(f"{json.dumps(shown[:_SHOWN], ensure_ascii=False)} is not {what}")
    return found


def _text_of(value: msgspec.Raw) -> str | None:
    """Return the text of a JSON string; None for other values."""
    return _read_text(value) if bytes(value).lstrip().startswith(b'"') else None
