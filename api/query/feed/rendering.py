"""Turn what was read of the feed into bytes, once for all readers that share it. Pure."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import msgspec

from api.query.feed import sse
from api.query.feed.tokens import Tokens, token_of
from storage.feed.position import Position, stopped
from storage.feed.reader import FeedPage
from storage.model.event import Event, encode_event

CHUNK_BYTES = 256 * 1024
"""Of a chunk: it ends with the event that passes this, so that no slow client holds much memory."""


class Chunk(NamedTuple):
    """Events of a stream as they are sent, and the position behind the last of them.

    `behind`: batches of which events may be left to read. `is_cut`: the page had more than fits.
    """

    frames: bytes
    events: int
    next: Position
    behind: int
    is_cut: bool = False


class Changes(NamedTuple):
    """An answer to a poll, how many events it has, and the position behind them."""

    body: bytes
    events: int
    next: Position


class ErasedEvent(msgspec.Struct):
    """What an erasure did to a stored event: delete or redact it."""

    id: str
    act: Literal["deleted", "redacted"]


class ChangesBody(msgspec.Struct):
    """An answer to a poll in its JSON form."""

    events: list[Event]
    erased: list[ErasedEvent]
    next: str
    behind: int


class At(msgspec.Struct):
    """Where a stream stands. What is not known is None.

    `lag_seconds`: the age of the oldest event that is accepted and not stored. `behind`: batches of
    which events may be left to read. `trouble`: why nothing comes, in words.
    """

    lag_seconds: float | None
    behind: int | None
    trouble: str | None = None


def chunk_of(page: FeedPage, start: Position) -> Chunk:
    """Return the first events of a page that was read from `start`, as many as fit in a chunk."""
    tokens = Tokens(start, page.to)
    frames: list[bytes] = []
    size = 0
    for event, key in zip(page.events, page.keys, strict=True):
        frames.append(sse.message(tokens.behind(key), encode_event(event)))
        size += len(frames[-1])
        if size > CHUNK_BYTES:
            break
    count = len(frames)
    if count == len(page.events):
        if page.erased:
            frames.append(_erased_frame(page))
        return Chunk(b"".join(frames), count, page.next, page.behind)
    following = stopped(start, page.keys[count - 1], page.to)
    return Chunk(b"".join(frames), count, following, max(page.behind, 1), is_cut=True)


def changes_of(page: FeedPage) -> Changes:
    """Return the answer to a poll."""
    body = _body(page.events, page.next, page.behind, _erased(page))
    return Changes(body, len(page.events) + len(page.erased), page.next)


def no_changes(position: Position) -> bytes:
    """Return the answer with which a reader begins."""
    return _body([], position, 0)


def _erased(page: FeedPage) -> list[ErasedEvent]:
    return [ErasedEvent(one.id, "deleted" if one.is_deleted else "redacted") for one in page.erased]


def _erased_frame(page: FeedPage) -> bytes:
    data = msgspec.json.encode({"events": _erased(page)})
    return sse.named(sse.ERASED, data, token_of(page.next))


def _body(
    events: list[Event], position: Position, behind: int, erased: Sequence[ErasedEvent] = ()
) -> bytes:
    body = ChangesBody(events, list(erased), token_of(position).decode(), behind)
    return msgspec.json.encode(body) + b"\n"
