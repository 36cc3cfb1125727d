"""Show where in a question a fault is: its line, and a caret under the character. Pure."""

from unicodedata import category, combining, east_asian_width

MAX_SHOWN = 80
"""The characters of a line that are shown."""

_BEFORE = 50  # of them at most, before the fault
_CUT = "…"
_UNPRINTABLE = "\N{REPLACEMENT CHARACTER}"
_CARET = "^"


def place_of(question: str, at: int) -> str:
    """Return the place in words, counted from 1; `at` is the index of the character."""
    line, column = _line_and_column(question, at)
    within = f" (line {line}, character {column + 1})" if _has_lines(question) else ""
    return f"character {at + 1}{within}"


def excerpt(question: str, at: int) -> str:
    """Return the line with the character, and a second line with a caret under it.

    A long line is cut on both sides. What a terminal would not print as one character is replaced.
    """
    _, column = _line_and_column(question, at)
    line = _line_from(question, at - column)
    start = max(0, column - _BEFORE)
    shown = "".join(map(_printable, line[start : start + MAX_SHOWN]))
    before = _CUT if start else ""
    after = _CUT if len(line) > start + MAX_SHOWN else ""
    indent = sum(map(_columns, before + shown[: column - start]))
    return f"{before}{shown}{after}\n{' ' * indent}{_CARET}"


def _line_and_column(question: str, at: int) -> tuple[int, int]:
    """Return the number of the line, from 1, and the index of the character in it."""
    before = question[:at].replace("\r\n", "\n\n")
    start = max(before.rfind("\n"), before.rfind("\r")) + 1
    ahead = question[:start].replace("\r\n", "\n").replace("\r", "\n")
    return ahead.count("\n") + 1, at - start


def _line_from(question: str, start: int) -> str:
    ends = [end for end in (question.find("\n", start), question.find("\r", start)) if end >= 0]
    return question[start : min(ends, default=len(question))]


def _has_lines(question: str) -> bool:
    return "\n" in question.strip() or "\r" in question.strip()


def _printable(character: str) -> str:
    if character == "\t":
        return " "
    return character if character.isprintable() or category(character) == "Zs" else _UNPRINTABLE


def _columns(character: str) -> int:
    """Return how many columns of a terminal the character takes."""
    if combining(character) or category(character) in ("Mn", "Me"):
        return 0
    return 2 if east_asian_width(character) in "WF" else 1
