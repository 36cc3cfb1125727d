"""Random questions: parameters and a `q`, as they are sent, and the tree that they mean."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from urllib.parse import urlencode
from uuid import UUID

from msgspec import UNSET

from storage.model.event import Event, to_datetime
from storage.model.occurred_at import occurred_text
from storage.model.where import (
    And,
    Comparison,
    Contains,
    DataCompares,
    DataIs,
    Email,
    Exists,
    Id,
    Name,
    NameField,
    Not,
    OccurredCompares,
    Or,
    Where,
)
from tests.support.reading import made
from tests.support.where_rules import CreatedCompares

NAMES = ["pay-a", "pay-b", "Pay-a", "pay%", "pay_a", "pay*", 'a"b', r"a\b", r"a\*", "é", "-x", "OR"]
TEXTS = [
    *("failed", "FAILED 100%", "100_", "100%", "a*b", 'say "no"', r"back\slash", r"\%"),
    *("Straße", "STRASSE", "ÉTÉ", "été", "İstanbul", "ΟΔΟΣ", "οδος", "AND", "10.0.0.1:80", "(x)"),
]
EMAILS = ["Jo@a.b", "jo%@a.b", "j_@a.b", "É@a.b", "x+y@a.b"]
NUMBERS = [
    *("5", "5.0", "-5", "0", "-0.0", "0.1", "1e30"),
    "12345678901234567890.12345678901234567890",
    "12345678901234567890.12345678901234567891",
    "0.00000000000000000000000000000000000001",
]
WORDS = ["5", "gold", "Gold", "é", "%", "_", "*", 'q"', "\\", "null", "true", "zz"]
PATHS = [("n",), ("t",), ("o", "n"), ("o", "t"), ("k.1",), ('q"', "é"), ("none",)]
COMPARISONS: list[Comparison] = [">", ">=", "<", "<="]

Pairs = list[tuple[str, str]]
Asked = tuple[str, Where]
"""A part of `q`, and what it means."""


def event(spread: Random, now_ms: int) -> Event:
    """Return an event of the last three days before now, many at whole minutes."""
    minute = now_ms - now_ms % 60_000
    ago = spread.choice([0, 1, 15, 60, 1440, spread.randrange(4320)]) * 60_000
    return made(
        minute - ago + spread.choice([-1, 0, 0, 1]),
        component=spread.choice(NAMES),
        environment=spread.choice(NAMES),
        message=" ".join(spread.sample(TEXTS, spread.randrange(1, 4))),
        email=spread.choice([None, *EMAILS]),
        data=spread.choice(["null", "{}", _data(spread), _data(spread)]),
        occurred_at=_occurred_at(spread, minute - ago) if spread.random() < 0.5 else UNSET,
    )


def _occurred_at(spread: Random, created_ms: int) -> str:
    """Return a time from a day before to an hour after, some at whole minutes."""
    away = timedelta(minutes=spread.randrange(-1440, 60), microseconds=spread.choice([-1, 0, 0, 1]))
    return occurred_text(to_datetime(created_ms) + away)


def _data(spread: Random) -> str:
    def scalar() -> str:
        return spread.choice(
            [*NUMBERS, *(json.dumps(word) for word in WORDS), "null", "true", "false"]
        )

    def value() -> str:
        some = ", ".join(scalar() for _ in range(spread.randrange(3)))
        return spread.choice(
            [scalar(), scalar(), scalar(), f"[{some}]", f"[[{some}]]", f'[{{"n": {scalar()}}}]']
        )

    inner = f'{{"n": {value()}, "t": {value()}}}'
    fields = {"n": value(), "t": value(), "o": spread.choice([inner, f"[{inner}]", value()])}
    fields |= {"k.1": scalar(), 'q"': f'{{"é": {value()}}}'}
    kept = spread.sample(sorted(fields), spread.randrange(1, 6))
    return "{" + ", ".join(f"{json.dumps(key)}: {fields[key]}" for key in kept) + "}"


class Mix:
    """One random question."""

    def __init__(self, spread: Random, now: datetime, stored: Sequence[Event]) -> None:
        self._spread = spread
        self._minute = now.replace(second=0, microsecond=0)
        self._stored = stored
        self.pairs: Pairs = []
        self.parts: list[Where] = []
        for part in spread.sample(self._parameters(), spread.choice([0, 0, 1, 1, 2, 3])):
            part()
        if not self.pairs or spread.random() < 0.7:
            text, meant = self._question(3)
            self.pairs.append(("q", text))
            self.parts.append(meant)
        spread.shuffle(self.pairs)

    @property
    def query_string(self) -> bytes:
        """The question as it is sent."""
        return urlencode(self.pairs).encode()

    @property
    def meant(self) -> Where:
        """The tree that the whole question means."""
        return And(tuple(self.parts))

    # --- parameters ----------------------------------------------------------------------------

    def _parameters(self) -> list[Callable[[], None]]:
        return [
            lambda: self._names("component", ""),
            lambda: self._names("environment", ""),
            lambda: self._names("component", "-"),
            lambda: self._names("environment", "-"),
            lambda: self._texts("email", "", EMAILS, Email),
            lambda: self._texts("email", "-", EMAILS, Email),
            lambda: self._texts("message", "", TEXTS, Contains),
            lambda: self._texts("message", "-", TEXTS, Contains),
            lambda: self._at_path(""),
            lambda: self._at_path("-"),
            lambda: self._from("from_date", CreatedCompares),
            lambda: self._to("to_date", CreatedCompares),
            lambda: self._from("occurred_from", OccurredCompares),
            lambda: self._to("occurred_to", OccurredCompares),
        ]

    def _add(self, sign: str, asked: Sequence[tuple[str, str, Where]]) -> None:
        self.pairs += [(f"{sign}{name}", text) for name, text, _ in asked]
        any_of = Or(tuple(term for _, _, term in asked))
        self.parts.append(Not(any_of) if sign else any_of)

    def _some(self, values: Sequence[str]) -> list[str]:
        return self._spread.sample(values, self._spread.choice([1, 1, 2, 3]))

    def _names(self, field: NameField, sign: str) -> None:
        asked: list[tuple[str, str, Where]] = []
        for name in self._some(NAMES):
            if self._spread.random() < 0.5:
                start = name[: self._spread.randrange(1, len(name) + 1)].rstrip("\\")
                asked.append((field, _starred(start) + "*", Name(field, start, True)))
            else:
                asked.append((field, _starred(name), Name(field, name)))
        self._add(sign, asked)

    def _texts(
        self, name: str, sign: str, values: Sequence[str], term: Callable[[str], Where]
    ) -> None:
        self._add(sign, [(name, one, term(one)) for one in map(self._cased, self._some(values))])

    def _at_path(self, sign: str) -> None:
        path = self._spread.choice([one for one in PATHS if "k.1" not in one])
        values = self._some([*WORDS, *NUMBERS])
        name = "data." + ".".join(path)
        self._add(sign, [(name, one, DataIs(path, _readings(one))) for one in values])

    def _from(self, name: str, term: type[OccurredCompares]) -> None:
        text, at = self._ago()
        self.pairs.append((name, text))
        self.parts.append(term(">=", at))

    def _to(self, name: str, term: type[OccurredCompares]) -> None:
        text, at = self._spread.choice([("now", self._minute), ("-1m", self._back(1))])
        self.pairs.append((name, text))
        self.parts.append(term("<", at))

    def _ago(self) -> tuple[str, datetime]:
        number, unit = self._spread.choice([(15, "m"), (60, "m"), (24, "h"), (1, "d"), (2, "d")])
        return f"-{number}{unit}", self._back(number * {"m": 1, "h": 60, "d": 1440}[unit])

    def _back(self, minutes: int) -> datetime:
        return self._minute - timedelta(minutes=minutes)

    # --- q -------------------------------------------------------------------------------------

    def _question(self, depth: int) -> Asked:
        kind = self._spread.random()
        if depth == 0 or kind < 0.35:
            return self._term()
        if kind < 0.5:
            text, meant = self._within(depth - 1)
            return self._spread.choice(["-", "NOT "]) + text, Not(meant)
        parts = [self._within(depth - 1) for _ in range(self._spread.choice([2, 2, 3]))]
        texts, trees = [text for text, _ in parts], tuple(tree for _, tree in parts)
        if kind < 0.75:
            return self._spread.choice([" ", " AND "]).join(texts), And(trees)
        return " OR ".join(texts), Or(trees)

    def _within(self, depth: int) -> Asked:
        text, meant = self._question(depth)
        is_term = not isinstance(meant, And | Or | Not)
        return (text, meant) if is_term else (f"({text})", meant)

    def _term(self) -> Asked:
        return self._spread.choice(
            [
                *(self._message, self._message, self._any, self._name, self._name, self._email),
                *(self._id, self._exists, self._is, self._is, self._compares, self._compares),
                self._occurred,
            ]
        )()

    def _message(self) -> Asked:
        text = self._cased(self._spread.choice(TEXTS))
        return self._spread.choice(["", "message:"]) + quoted(text), Contains(text)

    def _any(self) -> Asked:
        text = self._spread.choice([*TEXTS, *NAMES, *EMAILS, *NUMBERS[:6], '"n": 5', "[", "{}"])
        return f"any:{quoted(self._cased(text))}", Contains(text, anywhere=True)

    def _name(self) -> Asked:
        field: NameField = self._spread.choice(["component", "environment"])
        name = self._spread.choice(NAMES)
        if self._spread.random() < 0.4:
            start = self._spread.choice(["pay", "pay-", "p", "pay%", "pay_", "é"])
            return f"{field}:{start}*", Name(field, start, True)
        return f"{field}:{quoted(name)}", Name(field, name)

    def _email(self) -> Asked:
        email = self._spread.choice(EMAILS)
        return f"email:{email}", Email(email)

    def _id(self) -> Asked:
        event_id = self._spread.choice(self._stored).id
        return f"id:{event_id}", Id(UUID(event_id))

    def _exists(self) -> Asked:
        if self._spread.random() < 0.3:
            return "email:*", Exists("email")
        path = self._spread.choice(PATHS)
        return f"{at(path)}:*", Exists(path)

    def _is(self) -> Asked:
        path = self._spread.choice(PATHS)
        if self._spread.random() < 0.5:
            word = self._spread.choice(WORDS)
            return f"{at(path)}:{quoted(word)}", DataIs(path, (json.dumps(word),))
        plain = self._spread.choice([*NUMBERS, "gold", "null", "true", "é"])
        return f"{at(path)}:{plain}", DataIs(path, _readings(plain))

    def _compares(self) -> Asked:
        path, sign = self._spread.choice(PATHS), self._spread.choice(COMPARISONS)
        if self._spread.random() < 0.3:
            word = self._spread.choice(WORDS)
            return f"{at(path)}{sign}{quoted(word)}", DataCompares(path, sign, word)
        number = self._spread.choice([*NUMBERS, "1e100", "-1e-300"])
        return f"{at(path)}{sign}{number}", DataCompares(path, sign, Decimal(number))

    def _occurred(self) -> Asked:
        sign = self._spread.choice(COMPARISONS)
        text, instant = self._ago()
        if self._spread.random() < 0.5:
            text = instant.astimezone(UTC).isoformat()
        return f"occurred_at{sign}{text}", OccurredCompares(sign, instant)

    def _cased(self, text: str) -> str:
        ascii_only = text.upper() if self._spread.random() < 0.5 else text.lower()
        return ascii_only if text.isascii() else text


def quoted(text: str) -> str:
    """Return the text as a question holds it literally."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def at(path: Sequence[str]) -> str:
    """Return a path as a question holds it."""
    return "data." + ".".join(key if key.isalnum() else quoted(key) for key in path)


def _starred(name: str) -> str:
    return name.replace("*", r"\*")


def _readings(text: str) -> tuple[str, ...]:
    """Return the JSON that a value without quotes may mean."""
    as_text = json.dumps(text, ensure_ascii=False)
    is_json = text in (*NUMBERS, "null", "true") or text == "5"
    return (as_text, text) if is_json else (as_text,)
