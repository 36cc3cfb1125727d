"""What an error says of a parameter that does not exist, with the nearest one that does. Pure."""

from collections.abc import Collection

from storage.model.suggestion import did_you_mean

_COMPARED = 60  # characters: comparing takes time in proportion to their square
_CUTOFF = 0.4  # `from` suggests `from_date`


def unknown_parameter(name: str, known: Collection[str]) -> str:
    """Return the rest of a sentence that begins with the name."""
    hint = did_you_mean(name[:_COMPARED].lower().strip(), known, _CUTOFF) or "."
    return f"is not a parameter{hint} Known are {', '.join(known)}"
