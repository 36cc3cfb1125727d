"""The id of an imported event, which is the same at each import. Pure.

It is a UUIDv7 of the event's `created_at`, whose other bits are a hash. Never change what is
hashed, nor how: an event that was imported before would be stored a second time.
"""

from decimal import Context, Decimal
from hashlib import blake2b

import msgspec

from storage.model.event import Event
from storage.model.json_rules import MAX_DIGITS

_BITS = 10  # bytes of an id beside its time
_IMPORT_ID = blake2b(digest_size=_BITS, person=b"import_id")
_CONTENT = blake2b(digest_size=_BITS, person=b"content")
_EXACT = Context(prec=10_000)  # more digits than a number of an event may have


def bits_of_import_id(import_id: str) -> bytes:
    """Return the bits of an event that another system knows by `import_id`."""
    hash_ = _IMPORT_ID.copy()
    hash_.update(import_id.encode())
    return hash_.digest()


def bits_of_content(content: bytes) -> bytes:
    """Return the bits of an event that has only its canonical content."""
    hash_ = _CONTENT.copy()
    hash_.update(content)
    return hash_.digest()


def canonical_content(
    component: str,
    environment: str,
    message: str,
    email: str | None,
    data: bytes,
    occurred_at: str | None,
) -> bytes:
    """Return bytes that are equal if PostgreSQL would store equal events.

    In `data` neither the order of keys nor the notation of a number counts. `occurred_at` is in the
    form in which it is kept.
    """
    parts = [component, environment, message, email, _decode(data), occurred_at]
    return _encode(parts)


def content_of(event: Event) -> bytes:
    """Return the canonical content of an event as it is queued or stored.

    Another program may have stored `data` that no posted event can have. Its content is then like
    that of no posted event.
    """
    occurred_at = event.occurred_at or None
    texts = event.component, event.environment, event.message, event.email
    data = bytes(event.data)
    try:
        return canonical_content(*texts, data, occurred_at)
    except (ValueError, RecursionError):
        return b"".join((b"unreadable", _encode(texts), data))


def _number(literal: str) -> int | Decimal:
    """Return a number with a point or an exponent in its one form: an integer if it is one.

    Never an integer of more digits than a posted event may have: to write it out may take minutes.
    """
    found = Decimal(literal)
    if found.adjusted() > MAX_DIGITS:
        return found
    whole = found.to_integral_value()
    return int(whole) if found == whole else found.normalize(_EXACT)


_decode = msgspec.json.Decoder(float_hook=_number).decode
_encode = msgspec.json.Encoder(order="deterministic", decimal_format="number").encode
