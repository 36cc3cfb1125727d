"""Suggest the known name that a misspelt name resembles. Pure."""

from collections.abc import Iterable
from difflib import get_close_matches

CUTOFF = 0.6
"""The least similarity of a suggestion, from 0 to 1 (`difflib.SequenceMatcher.ratio`)."""


def did_you_mean(name: str, known: Iterable[str], cutoff: float = CUTOFF) -> str:
    """Return `; did you mean NAME?`, or an empty string if no known name is similar enough."""
    similar = get_close_matches(name, list(known), n=1, cutoff=cutoff)
    return f"; did you mean {similar[0]}?" if similar else ""
