"""What an error says of a parameter that does not exist, with the one that was meant. Pure."""

import re
from collections.abc import Collection, Mapping
from typing import Final

from storage.model.suggestion import did_you_mean

_SHOWN = 60  # characters
_MIN_BEGINNING = 2  # `to` is a beginning of `to_date`
_PATH = "data.<path>"
_is_key = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*").fullmatch

# What other APIs call a parameter. The first name that the route has is the one that was meant.
_OTHER_WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "query": ("q",),
    "search": ("q",),
    "filter": ("q",),
    "text": ("message",),
    "sort": ("order",),
    "page": ("cursor",),
    "offset": ("cursor",),
    "next_cursor": ("cursor",),
    "since": ("from_date",),
    "after": ("from_date",),
    "start": ("from_date",),
    "until": ("to_date",),
    "before": ("to_date",),
    "end": ("to_date",),
    "timezone": ("tz",),
    "time_zone": ("tz",),
    "group_by": ("field",),
    "field": ("group_by",),
    "limit": ("values",),
    "size": ("limit", "values"),
    "count": ("limit", "values"),
}

# The parameters that one path has, and others do not.
_OF_ONE_PATH: Final[Mapping[str, str]] = {
    **dict.fromkeys(("limit", "order", "cursor", "id"), "GET /events"),
    **dict.fromkeys(("interval", "tz", "group_by", "next"), "GET /events/stats"),
    **dict.fromkeys(("field", "values"), "GET /events/facets"),
}


def unknown_parameter(name: str, known: Collection[str]) -> str:
    """Return the rest of a sentence that begins with the name."""
    shown = name[:_SHOWN].strip()
    return f"is not a parameter{_hint(shown, known)} Known are {', '.join(known)}"


def _hint(name: str, known: Collection[str]) -> str:
    meant = _other_word(name.lower(), known)
    if meant:
        return f"; did you mean {meant}?"
    if name in _OF_ONE_PATH and name not in known:
        return f" here, but of {_OF_ONE_PATH[name]}."
    near = did_you_mean(name.lower(), known)
    if not near and _PATH in known and _is_key(name):
        return f"; a value in data is asked for with data.{name}."
    return near or "."


def _other_word(name: str, known: Collection[str]) -> str | None:
    """Return the parameter that has another name elsewhere, or that begins with this one."""
    if name.endswith("!") and f"-{name[:-1]}" in known:  # from component!=billing
        return f"-{name[:-1]}"
    words = (word for word in _OTHER_WORDS.get(name, ()) if word in known)
    beginnings = (word for word in known if word.startswith(name))
    if len(name) < _MIN_BEGINNING:
        return next(words, None)
    return next(words, None) or next(beginnings, None)
