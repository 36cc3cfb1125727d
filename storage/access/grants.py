"""What a new key may do: the rules for its name, its limits and its origins. Pure."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from storage.access.api_key import Scope

MAX_NAME = 100
MAX_PATTERN = 500
MAX_ITEMS = 100
MAX_DAILY = 10**15
MAX_RATE = 10**12 - 1
_DEFAULT_PORTS = {"http": 80, "https": 443}
_ORIGIN = "an origin, such as https://app.example.com or http://localhost:3000"


class InvalidText(ValueError):
    """This is no name, pattern or origin; the message says what one is."""


class UselessLimit(ValueError):
    """A limit of a key whose scopes it does not concern.

    `field`: that of `Grants`; `what` it does; `needed`: the scopes of which it needs one.
    """

    def __init__(self, field: str, what: str, needed: Collection[Scope]) -> None:
        self.field, self.what, self.needed = field, what, sorted(needed)
        super().__init__(f"{what}: it needs the scope {' or '.join(self.needed)}")


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

    Raises UselessLimit for a limit that would limit nothing.
    """
    found = Grants(
        frozenset(map(Scope, scopes)),
        _distinct(components),
        _distinct(environments),
        events_per_second,
        events_per_day,
        _distinct(origins),
    )
    for field, needed, what in _LIMITS:
        if getattr(found, field) and not found.scopes & needed:
            raise UselessLimit(field, what, needed)
    return found


_POSTS = {Scope.WRITE}
_EVENTS = {Scope.WRITE, Scope.READ}
_LIMITS = (
    ("events_per_second", _POSTS, "limits posts"),
    ("events_per_day", _POSTS, "limits posts"),
    ("origins", _POSTS, "is for posts from browsers"),
    ("components", _EVENTS, "limits which events are posted and read"),
    ("environments", _EVENTS, "limits which events are posted and read"),
)


def name(text: str) -> str:
    """Return the name of a key. Raises InvalidText."""
    if not text.strip() or text != text.strip() or not text.isprintable() or len(text) > MAX_NAME:
        raise InvalidText(
            f"{text!r} is not a name: at most {MAX_NAME} printable characters, and no space at "
            "either end"
        )
    return text


def pattern(text: str) -> str:
    """Return a limit to a name: `billing`, or `pay-*` for all names that begin with `pay-`.

    Raises InvalidText.
    """
    plain = text.removesuffix("*")
    if not text.strip() or "*" in plain or not text.isprintable() or len(text) > MAX_PATTERN:
        raise InvalidText(
            f"{text!r} is not a name like billing, nor a prefix with one * at its end like pay-*"
        )
    if not plain:
        raise InvalidText("'*' is not a limit: without it the key has none")
    return text


def origin(text: str) -> str:
    """Return the origin of a web page as browsers send it: lower case, without a default port.

    Raises InvalidText.
    """
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise InvalidText(f"{text!r} is not {_ORIGIN}") from None
    extra = parts.path or parts.query or parts.fragment or "@" in parts.netloc
    host = parts.hostname or ""
    allowed = parts.scheme in _DEFAULT_PORTS and host and host.isascii() and host.isprintable()
    if not allowed or extra or "*" in host or " " in text or text.endswith(("#", "?", ":")):
        raise InvalidText(f"{text!r} is not {_ORIGIN}")
    shown = f"[{host}]" if ":" in host else host
    default = port is None or port == _DEFAULT_PORTS[parts.scheme]
    return f"{parts.scheme}://{shown}" + ("" if default else f":{port}")


def _distinct(values: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted(set(values)))
