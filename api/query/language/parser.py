"""From a question to the tree of its terms, or to everything that is wrong with it. Pure.

question = all of {OR all of}
all of   = one of {[AND] one of}
one of   = {NOT | -} (term | [field:] "(" question ")")
"""

from api.query.clock import Clock
from api.query.language.faults import Faults, Stop
from api.query.language.fields import Field
from api.query.language.lexer import tokens_of
from api.query.language.terms import term_of
from api.query.language.tokens import Kind, Token
from api.query.pairs import InvalidQuery
from storage.model.normal_form import EVERYTHING
from storage.model.where import And, Not, Or, Where

MAX_QUESTION = 4000
"""The characters of a question."""

MAX_DEPTH = 8
"""How many parentheses may stand within each other."""


def parse(question: str, clock: Clock | None = None) -> Where:
    """Return what the question asks. Raises InvalidQuery with every fault, and nothing else.

    Dates before now are read by the clock; without one they are refused.
    """
    faults = Faults(question)
    found: Where = EVERYTHING
    try:
        if len(question) > MAX_QUESTION:
            faults.stop(MAX_QUESTION, f"the question is longer than {MAX_QUESTION:,} characters")
        found = _Parser(tokens_of(question, faults), faults, clock).question()
    except Stop:
        pass
    if faults.found:
        raise InvalidQuery(faults.in_order())
    return found


class _Parser:
    """A reader of tokens. It recurses once for each parenthesis, so to MAX_DEPTH only."""

    def __init__(self, tokens: list[Token], faults: Faults, clock: Clock | None) -> None:
        self._tokens = tokens
        self._faults = faults
        self._clock = clock
        self._next = 0
        self._open: list[Token] = []  # the parentheses that are not closed yet

    def question(self) -> Where:
        found = self._any_of(None)
        while self._now.kind != "end":  # what follows is looked at too, for its faults
            self._faults.add(self._now.at, f"no parenthesis is open here; {_QUOTE_IT}")
            self._advance()
            if self._now.kind in _BEGINNINGS:
                self._any_of(None)
        return found

    @property
    def _now(self) -> Token:
        return self._tokens[self._next]

    def _advance(self) -> Token:
        """Return the current token, and go to the next one; `end` stays."""
        token = self._now
        self._next += token.kind != "end"
        return token

    def _any_of(self, group: Field | None) -> Where:
        parts = [self._all_of(group)]
        while self._now.kind == "OR":
            self._advance()
            parts.append(self._all_of(group))
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _all_of(self, group: Field | None) -> Where:
        before = self._now
        parts = [self._one_of(group)]
        while self._now.kind in ("AND", *_BEGINNINGS):
            if self._now.kind == "AND":
                self._advance()
            elif group in _ONE_VALUE and before.kind in _POSITIVE and self._now.kind in _POSITIVE:
                self._faults.add(self._now.at, f"write OR or AND between two values of {group}")
            before = self._now
            parts.append(self._one_of(group))
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _one_of(self, group: Field | None) -> Where:
        is_negated = False
        while self._now.kind in ("-", "NOT"):
            self._advance()
            is_negated = not is_negated
        found = self._operand(group)
        return Not(found) if is_negated else found

    def _operand(self, group: Field | None) -> Where:
        match self._now.kind:
            case "(":
                return self._in_parentheses(group)
            case "text":
                return self._term(group)
            case "fault":
                self._advance()
            case _:
                self._refuse_nothing()
        return EVERYTHING

    def _in_parentheses(self, group: Field | None) -> Where:
        opening = self._advance()
        self._open.append(opening)
        if len(self._open) > MAX_DEPTH:
            self._faults.stop(opening.at, f"more than {MAX_DEPTH} parentheses within each other")
        found = self._any_of(opening.field or group)
        self._open.pop()
        if self._now.kind == "end":
            self._faults.add(opening.at, "the parenthesis that begins here is not closed")
        self._advance()
        return found

    def _term(self, group: Field | None) -> Where:
        token = self._advance()
        try:
            return term_of(token, group, self._clock)
        except ValueError as error:
            self._faults.add(token.at, str(error))
            return EVERYTHING

    def _refuse_nothing(self) -> None:
        """Add a fault: a term should stand here."""
        before = self._tokens[self._next - 1] if self._next else None
        if before is not None and before.kind in _NEEDS:
            self._faults.add(before.at, f"{_NEEDS[before.kind]} needs something after it")
        elif before is not None and before.kind == "(" and self._now.kind in (")", "end"):
            self._faults.add(before.at, f"nothing stands in the parentheses; {_QUOTE_IT}")
        elif self._now.kind in _NEEDS:
            self._faults.add(self._now.at, f"{_NEEDS[self._now.kind]} needs something before it")
        elif self._now.kind != ")":
            self._faults.add(self._now.at, "the question is empty")


_BEGINNINGS: tuple[Kind, ...] = ("-", "NOT", "(", "text", "fault")
_POSITIVE: tuple[Kind, ...] = ("(", "text")
_ONE_VALUE = ("component", "environment", "email", "id", "occurred_at")
_NEEDS: dict[Kind, str] = {"AND": "AND", "OR": "OR", "NOT": "NOT", "-": "the minus"}
_QUOTE_IT = "put text with a parenthesis in quotes"
