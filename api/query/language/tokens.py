"""What a question consists of, as the lexer finds it and the parser reads it."""

from dataclasses import dataclass
from typing import Literal

from api.query.language.fields import Field
from storage.model.where import Comparison

Kind = Literal["(", ")", "-", "AND", "OR", "NOT", "text", "fault", "end"]


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the question; `at` is the index of its first character, of a value without field.

    `field` is the one that stands directly before a text or a parenthesis. `comparison` is None for
    a colon. A `fault` stands where a term would, and is told already.
    """

    kind: Kind
    at: int
    text: str = ""
    quoted: bool = False
    field: Field | None = None
    comparison: Comparison | None = None
