"""The parameters that become parts of a tree: names and prefixes of them, and exclusions. Pure."""

from collections.abc import Mapping, Sequence
from typing import Final

from api.http.error_detail import ErrorDetail
from api.query.data_params import excluded_values
from storage.model.where import And, Contains, Email, Name, NameField, Not, Or, Where

_NAMES: Final[tuple[NameField, ...]] = ("component", "environment")
_STAR = "*"
_ESCAPED_STAR = r"\*"


def tree_of(values: Mapping[str, Sequence[str]], faults: list[ErrorDetail]) -> Where:
    """Return what these parameters ask for together."""
    parts: list[Where] = []
    for field in _NAMES:
        if wanted := _names(field, values.get(field, ())):
            parts.append(Or(wanted))
        parts += map(Not, _names(field, values.get(f"-{field}", ())))
    parts += (Not(Email(text)) for text in values.get("-email", ()))
    parts += (Not(Contains(text)) for text in values.get("-message", ()))
    parts += map(Not, excluded_values(values, faults))
    return And(tuple(parts))


def _names(field: NameField, texts: Sequence[str]) -> tuple[Name, ...]:
    return tuple(name_of(field, text) for text in texts)


def name_of(field: NameField, text: str) -> Name:
    r"""Return the term for a name, or with `*` at its end for a prefix; `\*` is a star."""
    is_prefix = text.endswith(_STAR) and not text.endswith(_ESCAPED_STAR)
    name = text.removesuffix(_STAR) if is_prefix else text
    return Name(field, name.replace(_ESCAPED_STAR, _STAR), is_prefix)
