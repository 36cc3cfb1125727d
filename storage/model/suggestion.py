"""Suggest the known name that a misspelt name resembles. Pure."""

from collections.abc import Iterable
from difflib import get_close_matches

CUTOFF = 0.6
"""The least similarity of a suggestion, from 0 to 1 (`difflib.SequenceMatcher.ratio`)."""

MAX_COMPARED = 60
"""The characters of a name that are compared: this takes time in proportion to their square."""


def did_you_mean(name: str, known: Iterable[str], cutoff: float = CUTOFF) -> str:
    """Return `; did you mean NAME?`, or an empty string if no known name is similar enough."""
    near = nearest(name, known, cutoff)
    return f"; did you mean {near}?" if near else ""


def nearest(name: str, known: Iterable[str], cutoff: float = CUTOFF) -> str | None:
    """Return the known name that is most similar, None if none is similar enough."""
    similar = get_close_matches(name[:MAX_COMPARED], list(known), n=1, cutoff=cutoff)
    return similar[0] if similar else None
