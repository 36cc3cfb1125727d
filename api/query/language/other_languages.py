"""What other languages write for an operator or a quote, and means only itself here. Pure."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from api.query.language.tokens import Token
from api.query.pairs import quoted

_MEANT: Final[Mapping[str, str]] = {"&&": "AND", "||": "OR"}
_IN_SMALL = ("and", "or", "not")
_CURLY = "\N{LEFT DOUBLE QUOTATION MARK}\N{RIGHT DOUBLE QUOTATION MARK}"
_CURLY += "\N{DOUBLE LOW-9 QUOTATION MARK}"
_is_negated = re.compile(r"!\w").match


def fault_of_word(word: str) -> str | None:
    """Return what is wrong with a word without quotes, None if it is plain text."""
    if word in _MEANT:
        return f"{word} is not an operator; did you mean {_MEANT[word]}? {_OR_TEXT}"
    if _is_negated(word):
        shown = quoted(word)
        return f"a minus excludes; did you mean -{shown.removeprefix('!')}? {_OR_TEXT}"
    if word[0] in _CURLY or word[-1] in _CURLY:
        return f'a curly quote is an ordinary character; did you mean "? {_OR_TEXT}'
    return None


def operators_in_small(tokens: Sequence[Token]) -> list[tuple[int, str]]:
    """Return each operator in small letters next to terms with fields: where, and what is wrong.

    Between words of a message it may well be one of them.
    """
    return [
        (token.at, f"operators are in capitals; did you mean {token.text.upper()}? {_OR_TEXT}")
        for before, token, after in zip([None, *tokens], tokens, tokens[1:], strict=False)
        if _is_small(token) and _is_between_fields(before, token.text.lower(), after)
    ]


_OR_TEXT = "Put it in quotes for a text"


def _is_small(token: Token) -> bool:
    return (
        token.kind == "text"
        and not token.quoted
        and token.field is None
        and token.text.lower() in _IN_SMALL
    )


def _is_between_fields(before: Token | None, operator: str, after: Token) -> bool:
    if operator == "not":
        return after.field is not None
    ends = before is not None and (before.field is not None or before.kind == ")")
    return ends and (after.field is not None or after.kind in ("(", "-", "NOT"))
