"""What a new key may do, from the options of `activity keys create`. Pure."""

from argparse import ArgumentTypeError
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from cli.errors import UsageError
from storage.access.api_key import Scope

MAX_NAME = 100
_MAX_PATTERN = 500
_MAX_ITEMS = 100
_DEFAULT_PORTS = {"http": 80, "https": 443}
_ORIGIN = "an origin, such as https://app.example.com or http://localhost:3000"


@dataclass(frozen=True, slots=True)
class Grants:
    """What a key may do, apart from its name and times."""

    scopes: frozenset[Scope]
    components: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    events_per_second: int | None = None
    events_per_day: int | None = None
    origins: tuple[str, ...] = ()


def grants(
    scopes: Sequence[str],
    components: Sequence[str],
    environments: Sequence[str],
    origins: Sequence[str],
    events_per_second: int | None,
    events_per_day: int | None,
) -> Grants:
    """Return the grants, in one order and without repetition.

    Raises UsageError for a limit that would limit nothing, and for too many names.
    """
    found = frozenset(map(Scope, scopes))
    for option, values in (
        ("--component", components),
        ("--environment", environments),
        ("--origin", origins),
    ):
        if len(set(values)) > _MAX_ITEMS:
            raise UsageError(f"{option} is given {len(values)} times, and at most {_MAX_ITEMS}")
    _require_scope(found, {Scope.WRITE}, "limits posts", "--rate", events_per_second)
    _require_scope(found, {Scope.WRITE}, "limits posts", "--daily", events_per_day)
    _require_scope(found, {Scope.WRITE}, "is for posts from browsers", "--origin", origins)
    on_events, limits = {Scope.WRITE, Scope.READ}, "limits which events are posted and read"
    _require_scope(found, on_events, limits, "--component", components)
    _require_scope(found, on_events, limits, "--environment", environments)
    return Grants(
        found,
        _distinct(components),
        _distinct(environments),
        events_per_second,
        events_per_day,
        _distinct(origins),
    )


def name(text: str) -> str:
    """Parse the name of a key."""
    if not text.strip() or text != text.strip() or not text.isprintable() or len(text) > MAX_NAME:
        raise ArgumentTypeError(
            f"{text!r} is not a name: at most {MAX_NAME} printable characters, and no space at "
            "either end"
        )
    return text


def pattern(text: str) -> str:
    """Parse a limit to a name: `billing`, or `pay-*` for all names that begin with `pay-`."""
    plain = text.removesuffix("*")
    if not text.strip() or "*" in plain or not text.isprintable() or len(text) > _MAX_PATTERN:
        raise ArgumentTypeError(
            f"{text!r} is not a name like billing, nor a prefix with one * at its end like pay-*"
        )
    if not plain:
        raise ArgumentTypeError("'*' is not a limit: without the option the key has none")
    return text


def origin(text: str) -> str:
    """Parse the origin of a web page. Browsers send it in lower case, without a default port."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not {_ORIGIN}") from None
    extra = parts.path or parts.query or parts.fragment or "@" in parts.netloc
    host = parts.hostname or ""
    allowed = parts.scheme in _DEFAULT_PORTS and host and host.isascii() and host.isprintable()
    if not allowed or extra or "*" in host or " " in text or text.endswith(("#", "?", ":")):
        raise ArgumentTypeError(f"{text!r} is not {_ORIGIN}")
    shown = f"[{host}]" if ":" in host else host
    default = port is None or port == _DEFAULT_PORTS[parts.scheme]
    return f"{parts.scheme}://{shown}" + ("" if default else f":{port}")


def require_future(instant: datetime, now: datetime) -> datetime:
    """Return the instant. Raises UsageError if it is past."""
    if instant <= now:
        raise UsageError(f"--expires: {instant:%Y-%m-%d %H:%M} UTC is not in the future")
    return instant


def _require_scope(
    scopes: frozenset[Scope], needed: set[Scope], what: str, option: str, value: object
) -> None:
    if value and not scopes & needed:
        words = " or ".join(f"--scope {scope}" for scope in sorted(needed))
        raise UsageError(f"{option} {what}: it needs {words}")


def _distinct(values: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted(set(values)))
