"""`next`: where an answer that is not complete ended, as opaque text. Pure.

It holds the minute at which the relative dates of the question were read. The answers that follow
read them there too, however late they are asked for. It grants nothing: what a client may see is
checked at each request. Its check value keeps a place from being used with another question, to
whose counts these would not add up.
"""

import struct
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import blake2b

from api.query import base64url
from storage.statistics.marks import MARK_BYTES, MAX_NAMED
from storage.statistics.reader import Place
from storage.statistics.window import Window

MAX_LENGTH = 600
"""Characters of a place, at most."""

_WRONG = (
    "is not the next of an answer to this question: send it unchanged, with the same parameters"
)
_TIMES = struct.Struct(">qqqq")  # three instants in microseconds, and the minute
_CHECK_BYTES = 8
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LAST_MINUTE = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // timedelta(minutes=1)


def encode(place: Place, minute: int, question: bytes) -> str:
    """Return the place as base64url without padding. `question` is equal for equal questions.

    `minute`: since 1970, the one of the question's clock.
    """
    instants = (place.window.start, place.window.end, place.until)
    packed = _TIMES.pack(*((each - _EPOCH) // _MICROSECOND for each in instants), minute)
    packed += b"".join(place.named)
    return base64url.encode(packed + _check(packed, question)).decode()


def minute_of(text: str) -> int | None:
    """Return the minute that `encode` was given, None if there is none.

    Whoever made the text chose it: only `decode` tells whether it is a place of the question.
    """
    try:
        *_, minute = _TIMES.unpack_from(_raw(text))
    except (ValueError, struct.error):
        return None
    return minute if 0 <= minute <= _LAST_MINUTE else None


def decode(text: str, minute: int, question: bytes) -> Place:
    """Return the place that `encode` was given with these. Raises ValueError for others."""
    try:
        place = _decode(text, question)
    except (ValueError, OverflowError, struct.error):
        raise ValueError(_WRONG) from None
    if encode(place, minute, question) != text:
        raise ValueError(_WRONG)
    return place


def _decode(text: str, question: bytes) -> Place:
    raw = _raw(text)
    packed, check = raw[:-_CHECK_BYTES], raw[-_CHECK_BYTES:]
    marks = packed[_TIMES.size :]
    if check != _check(packed, question) or len(marks) > MAX_NAMED * MARK_BYTES:
        raise ValueError
    start, end, until = map(_instant, _TIMES.unpack_from(packed)[:3])
    if not start < until <= end:
        raise ValueError
    return Place(Window(start, end), until, tuple(_parts(marks)))


def _raw(text: str) -> bytes:
    if len(text) > MAX_LENGTH:
        raise ValueError
    return base64url.decode(text)


def _parts(marks: bytes) -> Sequence[bytes]:
    return [marks[at : at + MARK_BYTES] for at in range(0, len(marks), MARK_BYTES)]


def _instant(microseconds: int) -> datetime:
    return _EPOCH + microseconds * _MICROSECOND


def _check(packed: bytes, question: bytes) -> bytes:
    key = blake2b(question).digest()
    return blake2b(packed, key=key, digest_size=_CHECK_BYTES).digest()
