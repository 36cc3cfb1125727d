"""From the characters of a question to its tokens, in one pass. Pure."""

import re
from collections.abc import Iterator

from api.query.language.faults import Faults
from api.query.language.heads import Head, NotAHead, head_at
from api.query.language.other_languages import fault_of_word, operators_in_small
from api.query.language.paths import unquoted
from api.query.language.tokens import Kind, Token
from api.query.pairs import quoted

_space = re.compile(r"\s*+").match
_word = re.compile(r'[^\s()"]++').match
_quoted = re.compile(r'"(?:[^"\\]|\\.)*+("?)', re.DOTALL).match
_rest = re.compile(r'(?:[^\s()"]++|"(?:[^"\\]|\\.)*+"?)*+', re.DOTALL).match
_negative_number = re.compile(r"-[0-9]").match
_day_and_time = re.compile(r"[0-9]{2,4}-[0-9]{2}-[0-9]{2,4}\s+[0-9]{1,2}:[0-9]{2}").match
# The + of an offset, decoded as a space: 2026-04-16T12:30+02:00.
_lost_plus = re.compile(r"[0-9-]+[Tt][0-9:.]+ [0-9]{2}:?[0-9]{2}(?![^\s()])").match
MAX_TERMS = 50

_OPERATORS: dict[str, Kind] = {"AND": "AND", "OR": "OR", "NOT": "NOT"}


def tokens_of(question: str, faults: Faults) -> list[Token]:
    """Return the tokens, the last of them `end`; add what is wrong to `faults`. Raises Stop."""
    tokens = list(_Lexer(question, faults).tokens())
    for at, fault in operators_in_small(tokens):
        faults.add(at, fault)
    return tokens


class _Lexer:
    def __init__(self, question: str, faults: Faults) -> None:
        self._question = question
        self._faults = faults
        self._at = 0
        self._terms = 0
        self._group: Head | None = None  # the field of the values in parentheses
        self._depth = 0  # of parentheses in the group

    def tokens(self) -> Iterator[Token]:
        while self._skip_space() < len(self._question):
            yield self._token()
        yield Token("end", self._at)

    def _skip_space(self) -> int:
        self._at = _end_of(_space(self._question, self._at))
        return self._at

    def _token(self) -> Token:
        match self._question[self._at]:
            case "(":
                return self._open()
            case ")":
                return self._close()
            case '"':
                return self._text()
            case "-" if not self._is_negative_number():
                return self._minus()
        return self._operator() or self._with_field() or self._text()

    # --- parentheses and operators -------------------------------------------------------------

    def _open(self, head: Head | None = None) -> Token:
        if head is not None:
            self._group = head
        self._depth += self._group is not None
        self._at += 1
        return Token("(", self._at - 1, field=head.field if head else None)

    def _close(self) -> Token:
        self._depth -= self._group is not None
        if self._depth == 0:
            self._group = None
        self._at += 1
        return Token(")", self._at - 1)

    def _minus(self) -> Token:
        at, self._at = self._at, self._at + 1
        behind = self._question[self._at : self._at + 1]
        if not behind.strip() or behind in ("-", ")"):
            self._faults.add(at, f"a minus stands directly before what it excludes; {_IN_QUOTES}")
            self._at = _end_of(_word(self._question, at))
            return Token("fault", at)
        return Token("-", at)

    def _is_negative_number(self) -> bool:
        """Return whether a minus is the sign of a value: only where values of `data` are listed."""
        in_data = self._group is not None and isinstance(self._group.field, tuple)
        return in_data and _negative_number(self._question, self._at) is not None

    def _operator(self) -> Token | None:
        found = _word(self._question, self._at)
        kind = _OPERATORS.get(found[0]) if found else None
        if kind is None:
            return None
        at, self._at = self._at, _end_of(found)
        return Token(kind, at)

    # --- fields and texts ----------------------------------------------------------------------

    def _with_field(self) -> Token | None:
        at = self._at
        try:
            head = head_at(self._question, at)
        except NotAHead as mistake:
            if self._group is not None:  # only values stand here
                return None
            return self._fault(at, str(mistake))
        if head is None:
            return None
        if self._group is not None:
            return self._fault(
                at, f"no field stands in the parentheses of {quoted(self._group.name)}"
            )
        return self._value(head)

    def _value(self, head: Head) -> Token:
        """Return the value behind a field and an operator."""
        at, self._at = self._at, head.end
        if head.comparison:
            self._skip_space()
        follows = self._question[self._at : self._at + 1]
        if follows == "(":
            if head.comparison:
                return self._fault(at, f"{quoted(head.name)} is compared with one value")
            return self._open(head)
        if not follows.strip() or follows == ")":
            return self._fault(at, _no_value(head))
        if head.field == "occurred_at" and _lost_plus(self._question, self._at):
            return self._fault(self._at, _PLUS)
        if head.field == "occurred_at" and _day_and_time(self._question, self._at):
            return self._fault(self._at, _TIME_APART)
        return self._text(head)

    def _text(self, head: Head | None = None) -> Token:
        """Return the word or the text in quotes that begins here."""
        at, is_quoted = self._at, self._question[self._at] == '"'
        found = (_quoted if is_quoted else _word)(self._question, at)
        assert found is not None  # a token is neither a space nor a parenthesis
        if is_quoted and not found[1]:
            self._faults.stop(at, _UNCLOSED)
        self._at = found.end()
        self._count_term(at)
        self._refuse_touching(is_quoted)
        text = unquoted(found[0]) if is_quoted else found[0]
        if not is_quoted and (fault := fault_of_word(text)):
            self._faults.add(at, fault)
        if head is None:
            return Token("text", at, text, is_quoted)
        return Token("text", at, text, is_quoted, head.field, head.comparison)

    def _count_term(self, at: int) -> None:
        self._terms += 1
        if self._terms > MAX_TERMS:
            self._faults.stop(at, f"the question has more than {MAX_TERMS} terms")

    def _refuse_touching(self, is_quoted: bool) -> None:
        """Stop where a text touches the next one: then it was meant to be one text in quotes."""
        follows = self._question[self._at : self._at + 1]
        ends = not follows or follows.isspace() or follows == ")"
        if follows == '"' or (is_quoted and not ends):
            self._faults.stop(self._at, _TOUCHING)
        if follows == "(":
            self._faults.stop(self._at, f"a parenthesis touches a text; {_IN_QUOTES}")

    def _fault(self, at: int, what: str) -> Token:
        """Add a fault, skip the rest of the term, and stand in for the term."""
        self._faults.add(at, what)
        self._at = _end_of(_rest(self._question, self._at))
        return Token("fault", at)


_IN_QUOTES = "put text that has one in quotes"
_UNCLOSED = 'the quote that begins here is not closed; in quotes, write \\" for a quote'
_TOUCHING = (
    "a quote touches a text; put a space between them, or the whole text in quotes, "
    'with \\" for a quote in it'
)
_TIME_APART = "a day and a time with a space between them stand in quotes"
_PLUS = "an offset from UTC follows a space; send its + as %2B, or the instant in UTC with Z"


def _no_value(head: Head) -> str:
    name = quoted(head.name)
    if head.comparison:
        return f"{name} is compared with nothing; a value follows the {head.comparison}"
    return f"{name} needs a value directly after the colon; {name}:* asks whether there is one"


def _end_of(match: re.Match[str] | None) -> int:
    assert match is not None  # its pattern matches wherever it is tried
    return match.end()
