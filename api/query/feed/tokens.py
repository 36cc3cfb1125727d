"""Tokens: positions in the feed as opaque text, which nobody else can make. Pure.

A token is 1 byte of version, 8 bytes that tell the feed, the position in MessagePack, a checksum of
4 bytes of all that, and 10 bytes of a keyed hash (BLAKE2b) of all that; in base64url without
padding. The key is the feed's id: a random number that only PostgreSQL and the API processes know,
and that no token, no answer and no log shows. So each API process reads the tokens of all others,
also after a restart, and each feed has other tokens than the one that it was restored from.
"""

import hmac
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import blake2b
from uuid import UUID

import msgspec

from api.query import base64url
from storage.errors import FeedReplaced
from storage.feed.position import Key, Position, Within

MAX_LENGTH = 6000
"""Characters. A usual token has 60 to 150: it grows by 6 with each writer."""

_MIN_LENGTH = 30
_VERSION = b"\x01"
_MARK_BYTES, _SUM_BYTES, _MAC_BYTES = 8, 4, 10
_HEAD_BYTES = len(_VERSION) + _MARK_BYTES
_TAIL_BYTES = _SUM_BYTES + _MAC_BYTES
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class InvalidToken(ValueError):
    """The text is no token of this service; its own text continues a sentence with its name."""

    def __init__(self) -> None:
        super().__init__("is not a token of this feed: send it as it was given")


class _Body(msgspec.Struct, array_like=True):
    """The position. A read that is finished has no more than the first field."""

    batches: list[int]  # pairs of a writer and its batches
    further: list[int] = []  # the same, of those that an unfinished read goes on to
    feed: int | None = None
    created_us: int = 0
    id: bytes = b""


# The first byte of an array of so many elements.
_FINISHED, _UNFINISHED = b"\x91", b"\x95"

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Body).decode


class Tokens:
    """Makes the tokens of positions within one unfinished read, which have much in common."""

    def __init__(self, position: Position, to: Mapping[int, int]) -> None:
        """`position`: where the read began; `to`: the batches to which it goes on."""
        seen = position.batches
        further = {writer: batch for writer, batch in to.items() if batch != seen.get(writer)}
        body = _UNFINISHED + _encode(_flat(seen)) + _encode(_flat(further))
        self._begin = _Signed(position.feed_id, body)

    def behind(self, key: Key) -> bytes:
        """Return the token of the position behind this event."""
        created_us = (key.created_at - _EPOCH) // _MICROSECOND
        rest = (_encode(key.feed), _encode(created_us), _encode(key.id.bytes))
        return self._begin.token(b"".join(rest))


def token_of(position: Position) -> bytes:
    """Return the token of a position."""
    within = position.within
    if within is None:
        return _Signed(position.feed_id, _FINISHED).token(_encode(_flat(position.batches)))
    return Tokens(position, within.to).behind(within.last)


class _Signed:
    """The beginning of tokens, so far summed and hashed."""

    def __init__(self, feed_id: str, begin: bytes) -> None:
        self._begin = _head(feed_id) + begin
        self._sum = zlib.crc32(self._begin)
        self._mac = _mac(feed_id, self._begin)

    def token(self, rest: bytes) -> bytes:
        rest += zlib.crc32(rest, self._sum).to_bytes(_SUM_BYTES, "big")
        mac = self._mac.copy()
        mac.update(rest)
        return base64url.encode(self._begin + rest + mac.digest())


def position_of(text: str, feed_id: str) -> Position:
    """Return the position that `token_of` was given.

    Raises InvalidToken for any other text, FeedReplaced for a token of another feed.
    """
    raw = _decoded(text)
    signed, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
    if signed[:_HEAD_BYTES] != _head(feed_id):
        raise FeedReplaced("the token is of another feed")
    if not hmac.compare_digest(_mac(feed_id, signed).digest(), mac):
        raise InvalidToken
    return _position_of(_decode(signed[_HEAD_BYTES:-_SUM_BYTES]), feed_id)


def _decoded(text: str) -> bytes:
    """Return the bytes of the text if they have the form of a token. Raises InvalidToken."""
    if not _MIN_LENGTH <= len(text) <= MAX_LENGTH:
        raise InvalidToken
    try:
        raw = base64url.decode(text)
    except ValueError:
        raise InvalidToken from None
    summed, total = raw[:-_TAIL_BYTES], raw[-_TAIL_BYTES:-_MAC_BYTES]
    is_whole = zlib.crc32(summed).to_bytes(_SUM_BYTES, "big") == total
    if not (is_whole and raw.startswith(_VERSION)):
        raise InvalidToken
    return raw


@lru_cache(4)
def _head(feed_id: str) -> bytes:
    """Return the version, and what tells the feed without telling its id."""
    mark = blake2b(feed_id.encode(), digest_size=_MARK_BYTES, person=b"activity feed")
    return _VERSION + mark.digest()


def _mac(feed_id: str, text: bytes) -> blake2b:
    return blake2b(text, digest_size=_MAC_BYTES, key=feed_id.encode(), person=b"activity token")


def _position_of(body: _Body, feed_id: str) -> Position:
    batches = _mapping(body.batches)
    if body.feed is None:
        return Position(feed_id, batches)
    created_at = _EPOCH + timedelta(microseconds=body.created_us)
    last = Key(body.feed, created_at, UUID(bytes=body.id))
    return Position(feed_id, batches, Within(last, batches | _mapping(body.further)))


def _flat(numbers: Mapping[int, int]) -> list[int]:
    return [one for pair in sorted(numbers.items()) for one in pair]


def _mapping(flat: list[int]) -> dict[int, int]:
    return dict(zip(flat[::2], flat[1::2], strict=True))
