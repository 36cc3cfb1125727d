"""What a new key may do, from the options of `activity keys create`. Pure."""

from argparse import ArgumentTypeError
from collections.abc import Callable, Sequence
from datetime import datetime

from cli.errors import UsageError
from storage.access import grants as rules
from storage.access.grants import MAX_ITEMS, Grants, InvalidText, UselessLimit

_OPTIONS = {
    "components": "--component",
    "environments": "--environment",
    "origins": "--origin",
    "events_per_second": "--rate",
    "events_per_day": "--daily",
}


def grants(
    scopes: Sequence[str],
    components: Sequence[str],
    environments: Sequence[str],
    origins: Sequence[str],
    events_per_second: int | None,
    events_per_day: int | None,
) -> Grants:
    """Return the grants. Raises UsageError for a limit that would limit nothing, and too many."""
    for option, values in (
        ("--component", components),
        ("--environment", environments),
        ("--origin", origins),
    ):
        if len(set(values)) > MAX_ITEMS:
            raise UsageError(f"{option} is given {len(values)} times, and at most {MAX_ITEMS}")
    try:
        return rules.grants(
            scopes, components, environments, origins, events_per_second, events_per_day
        )
    except UselessLimit as error:
        words = " or ".join(f"--scope {scope}" for scope in error.needed)
        raise UsageError(f"{_OPTIONS[error.field]} {error.what}: it needs {words}") from None


def name(text: str) -> str:
    """Parse the name of a key."""
    return _parsed(rules.name, text)


def pattern(text: str) -> str:
    """Parse a limit to a name: `billing`, or `pay-*` for all names that begin with `pay-`."""
    return _parsed(rules.pattern, text)


def origin(text: str) -> str:
    """Parse the origin of a web page."""
    return _parsed(rules.origin, text)


def require_future(instant: datetime, now: datetime) -> datetime:
    """Return the instant. Raises UsageError if it is past."""
    if instant <= now:
        raise UsageError(f"--expires: {instant:%Y-%m-%d %H:%M} UTC is not in the future")
    return instant


def _parsed(parse: Callable[[str], str], text: str) -> str:
    try:
        return parse(text)
    except InvalidText as error:
        raise ArgumentTypeError(str(error)) from None
