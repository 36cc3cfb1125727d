"""Parse an event that is plainly good, and nothing else: as fast as possible. Pure.

`api/formats/native_validate.py` decides about every other body. A property test compares the two.
"""

import re
from collections.abc import Callable
from typing import Annotated, Any

import msgspec

from api.formats.occurred_at import canonical_instant
from api.formats.schemas import EMAIL_CHARACTERS, NAME_CHARACTERS, is_email
from storage.model.json_rules import MAX_DIGITS, MAX_JSON_DEPTH, is_too_deep

MAX_EVENT_DEPTH = MAX_JSON_DEPTH + 1  # the levels of `data`, within the event's own

_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=NAME_CHARACTERS)]
_NULL = msgspec.Raw(b"null")
_UNSET = msgspec.UNSET


class EventIn(msgspec.Struct, forbid_unknown_fields=True):
    """A posted event. `data` is the very text that was posted."""

    component: _Name
    environment: _Name
    message: str
    email: str | None = None
    data: msgspec.Raw = _NULL
    occurred_at: str | msgspec.UnsetType | None = msgspec.UNSET


decode = msgspec.json.Decoder(EventIn).decode

# Searching a pattern takes 10 ns a byte; translating the text and searching a fixed string, less
# than 2. So first every character of a number but the point becomes 0: then an exponent, and very
# many digits, show as a fixed string. Only if one is found do the patterns decide. For the pattern
# of the exponent the point becomes 0 as well, and what can precede a number becomes a colon.
_DIGITS_ALIKE = bytes.maketrans(b"0123456789+-E", b"000000000000e")
_MANY_DIGITS = b"0" * 500
_has_many_digits = re.compile(rb"(?<!\d)\d{500}").search
_NUMBERS_ALIKE = bytes.maketrans(b"0123456789.E,[ \t\n\r\f\v", b"00000000000e::::::::")
_has_exponent = re.compile(rb":-?0+e").search


def _needs_validation(text: bytes) -> bool:
    """Return whether text that msgspec accepts may break a rule of `storage/model/json_rules.py`.

    That is an escaped NUL, or a number with an exponent or very many digits.
    """
    digits = text.translate(_DIGITS_ALIKE)
    return (
        (b"\\" in text and rb"\u0000" in text)
        or (b"0e0" in digits and _has_exponent(text.translate(_NUMBERS_ALIKE)) is not None)
        or (
            len(text) > MAX_DIGITS and _MANY_DIGITS in digits and _has_many_digits(text) is not None
        )
    )


def is_plainly_good(event: EventIn) -> bool:
    """Check what the types of `EventIn` can't express."""
    email = event.email
    return bool(
        event.component.strip()
        and event.environment.strip()
        and event.message.strip()
        and (email is None or (len(email) <= EMAIL_CHARACTERS and is_email(email)))
        and (event.occurred_at is _UNSET or _has_good_instant(event))
    )


def _has_good_instant(event: EventIn) -> bool:
    """Normalize `occurred_at`; return False if it is no instant."""
    try:
        normalize_instant(event)
    except ValueError:
        return False
    return True


def normalize_instant(event: EventIn) -> None:
    """Give `occurred_at` the form in which it is kept. Raises ValueError if it is no instant."""
    text = event.occurred_at
    event.occurred_at = _UNSET if text is None or text is _UNSET else canonical_instant(text)


Parse = Callable[[bytes], EventIn | None]
ParseMany = Callable[[list[bytes]], list[EventIn] | None]


def parsers(
    decode: Callable[[bytes], EventIn], is_good: Callable[[Any], bool]
) -> tuple[Parse, ParseMany]:
    """Return `parse` and `parse_many` for events of this decoder.

    `is_good` checks what its types can't express, once the bounds of JSON are kept. `parse`
    returns the event of a plainly good body,
    None for any other, good or bad. `parse_many` returns the events of bodies that are all plainly
    good, None if one is not: it makes the checks on one body once, on all bodies as one text.
    """

    def parse(body: bytes) -> EventIn | None:
        try:
            body.decode()  # msgspec does not check the strings in `data`
            event = decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        if _needs_validation(body) or is_too_deep(body, MAX_EVENT_DEPTH) or not is_good(event):
            return None
        return event

    def parse_many(bodies: list[bytes]) -> list[EventIn] | None:
        text = b"\n".join(bodies)
        try:
            text.decode()
            events = [*map(decode, bodies)]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        if _needs_validation(text) or not all(map(is_good, events)):
            return None
        nested = [body for body in bodies if body.count(b"[") + body.count(b"{") > MAX_EVENT_DEPTH]
        return None if any(is_too_deep(body, MAX_EVENT_DEPTH) for body in nested) else events

    return parse, parse_many


parse, parse_many = parsers(decode, is_plainly_good)
