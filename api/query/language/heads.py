"""What stands before a value: a field and an operator, or a name that is mistaken for one. Pure."""

import re
from dataclasses import dataclass

from api.query.language.fields import FIELDS, Field, fault_of_name
from api.query.language.paths import QUOTED, path_of
from api.query.pairs import quoted
from storage.model.where import Comparison

_PATH = rf'data(?:\.(?:{QUOTED}|[^\s()":<>=!.]*+))++'
_NAME = r'[^\s()":<>=!]++'
_match_head = re.compile(
    rf"(?:(?P<path>{_PATH})|(?P<name>{_NAME}))(?P<operator>:|\s*+(?:=[=<>]?|!=|>=?|<=?))", re.DOTALL
).match
_COMPARISONS: dict[str, Comparison] = {">": ">", ">=": ">=", "<": "<", "<=": "<="}
_match_number = re.compile(r"\s*+([0-9][0-9.]*+)(?![^\s()])").match
_is_identifier = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*").fullmatch


class NotAHead(ValueError):
    """A name and an operator that can only be a mistake; the message says what was meant."""


@dataclass(frozen=True, slots=True)
class Head:
    """A field, the operator behind it (None: a colon), and the index of the first one behind both.

    `name` is the field as it was written.
    """

    field: Field
    name: str
    comparison: Comparison | None
    end: int


def head_at(question: str, at: int) -> Head | None:
    """Return the field and operator that begin there, None if there is text. Raises NotAHead."""
    match = _match_head(question, at)
    if match is None:
        return None
    written, operator = match["path"] or match["name"], match["operator"].lstrip()
    field = _field(match["path"], match["name"])
    comparison = _COMPARISONS.get(operator)
    if field is None:
        _refuse_mistake(written, operator, comparison, question, match.end())
        return None
    is_comparable = isinstance(field, tuple) or field == "occurred_at"
    if comparison and not is_comparable:
        raise NotAHead(
            f"{quoted(written)} has no order; only data.<path> and occurred_at are compared"
        )
    if "=" in operator and not comparison:
        hint = _MEANT.get(operator) if is_comparable or operator == "!=" else None
        meant = (hint or _EQUALITY).format(name=quoted(written))
        raise NotAHead(f"{operator} is not an operator; {meant}")
    return Head(field, written, comparison, match.end())


_EQUALITY = "equality is a colon, as in {name}:value"
_MEANT = {
    "!=": "a minus excludes, as in -{name}:value",
    "=>": "did you mean >=?",
    "=<": "did you mean <=?",
}


def _field(path: str | None, name: str | None) -> Field | None:
    if path is None:
        return FIELDS.get(name or "")
    try:
        return path_of(path)
    except ValueError as error:
        raise NotAHead(str(error)) from None


def _refuse_mistake(
    name: str, operator: str, comparison: Comparison | None, question: str, end: int
) -> None:
    """Raise NotAHead if the name resembles a field's, or seems to be a path without `data.`."""
    shown = quoted(name)
    behind = question[end : end + 1]
    if operator == ":" or comparison:
        if fault := fault_of_name(name):
            raise NotAHead(fault)
        if comparison and _is_identifier(name) and (number := _match_number(question, end)):
            meant = f"data.{shown}{operator}{quoted(number[1])}"
            raise NotAHead(
                f"{shown!r} is not a field; did you mean {meant}? "
                "Put text with such a sign in quotes"
            )
    if operator == ":" and behind in ('"', "("):
        raise NotAHead(
            f"{shown!r} is not a field; a value in data is written data.{shown}:... "
            "Put text with a colon in quotes"
        )
