"""Everything that is wrong with one question, each fault with its character. Pure."""

from typing import NoReturn

from api.http.error_detail import ErrorDetail
from api.query.language.excerpt import excerpt, place_of

PARAMETER = "q"
MAX_FAULTS = 10


class Stop(Exception):
    """What follows in the question is not looked at."""


class Faults:
    """The faults found so far."""

    def __init__(self, question: str) -> None:
        self._question = question
        self.found: list[ErrorDetail] = []

    def add(self, at: int, what: str) -> None:
        """Add a fault at the character with this index. Raises Stop if there are many."""
        detail = f"{PARAMETER}, {place_of(self._question, at)}: {what}"
        shown = excerpt(self._question, at)
        self.found.append(ErrorDetail(detail, parameter=PARAMETER, character=at + 1, excerpt=shown))
        if len(self.found) == MAX_FAULTS:
            raise Stop

    def stop(self, at: int, what: str) -> NoReturn:
        """Add a fault, and raise Stop."""
        self.add(at, what)
        raise Stop

    def in_order(self) -> list[ErrorDetail]:
        """Return the faults in the order of their characters, each once."""
        return sorted(dict.fromkeys(self.found), key=lambda fault: fault.character or 0)
