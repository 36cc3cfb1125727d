"""The fields that a question may name, and what is said of a name that is none. Pure."""

import re
from collections.abc import Mapping
from typing import Final, Literal

from api.query.pairs import quoted
from storage.model.suggestion import nearest
from storage.model.where import Path

Plain = Literal["component", "environment", "email", "message", "id", "occurred_at", "any"]
Field = Plain | Path
"""A field of an event, `any`, or a path in `data`."""

FIELDS: Final[Mapping[str, Plain]] = {
    "component": "component",
    "environment": "environment",
    "email": "email",
    "message": "message",
    "id": "id",
    "occurred_at": "occurred_at",
    "any": "any",
}
DATA: Final = "data"

# What people write for a filter that is a parameter of its own.
_CREATED = ("created_at", "from_date", "to_date")
_INDEXED = f"{DATA}["
_NAMED = [*(name for name in FIELDS if len(name) > 3), DATA]
_CUTOFF = 0.8  # `date` is not near `data`, `mail` is near `email`
_MIN_BEGINNING = 3  # `env` is a beginning of `environment`
_MAX_NAME = 40  # characters of what may be a name
_could_be_a_name = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*").fullmatch


def fault_of_name(name: str) -> str | None:
    """Return what is wrong with what stands before an operator, None if it is plain text.

    Any text may have a colon; only a name that resembles a field's is taken for a mistake.
    """
    root, dot, _ = name.partition(".")
    if name == DATA or name.startswith(_INDEXED):
        return "data needs a path, as in data.order.id:7"
    if len(root) > _MAX_NAME or not _could_be_a_name(root):
        return None
    if name in _CREATED:
        return f"{name} is not a field; the parameters from_date and to_date filter by created_at"
    near = _near(root)
    if near is None or (dot and near != DATA):
        return None
    suggested = f"{near}.<path>" if near == DATA else near
    return (
        f"{quoted(name)!r} is not a field; did you mean {suggested}? "
        "Put text with a colon in quotes"
    )


def _near(name: str) -> str | None:
    """Return the field that the name resembles."""
    lowered = name.lower()
    if lowered in FIELDS:
        return lowered
    if len(lowered) >= _MIN_BEGINNING:
        for field in _NAMED:
            if field.startswith(lowered):
                return field
    return nearest(lowered, _NAMED, _CUTOFF)
