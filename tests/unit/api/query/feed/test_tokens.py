"""A token comes back as the position that it was made of, and nothing else is one."""

import string
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.query.feed.tokens import MAX_LENGTH, InvalidToken, position_of, token_of
from storage.errors import FeedReplaced
from storage.feed.position import FIRST, Key, Position, Within

FEED = "2f0e8a52-63b9-4f0f-9a2c-3c1d57a7a001"
OTHER = "2f0e8a52-63b9-4f0f-9a2c-3c1d57a7a002"
ALPHABET = string.ascii_letters + string.digits + "-_"

numbers = st.integers(0, (1 << 48) - 1)
batches = st.dictionaries(st.integers(0, 1 << 15), numbers, max_size=40)
times = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31))
keys = st.builds(
    Key,
    st.integers(0, (1 << 62) - 1),
    times.map(lambda each: each.replace(tzinfo=UTC)),
    st.uuids(),
)


@st.composite
def positions(draw: st.DrawFn) -> Position:
    seen = draw(batches)
    if draw(st.booleans()):
        return Position(FEED, seen)
    more = draw(batches)
    to = {each: max(seen.get(each, 0), more.get(each, 0)) for each in seen.keys() | more.keys()}
    return Position(FEED, seen, Within(draw(st.just(FIRST) | keys), to))


USUAL = Position(
    FEED,
    {0: 812_345, 1: 790_001, 2: 12, 3: 801_777},
    Within(
        Key(
            812_350, datetime(2026, 11, 28, 12, tzinfo=UTC) + timedelta(milliseconds=5), UUID(int=7)
        ),
        {0: 812_351, 1: 790_004, 2: 12, 3: 801_780},
    ),
)


@given(positions())
def test_a_token_comes_back_as_its_position(position: Position) -> None:
    token = token_of(position).decode()
    assert len(token) <= MAX_LENGTH
    assert set(token) <= set(ALPHABET)
    assert position_of(token, FEED) == position
    assert token_of(position_of(token, FEED)).decode() == token


def altered(token: str) -> Iterator[str]:
    for place in range(len(token)):
        yield token[:place] + token[place + 1 :]
        yield token[:place]
        for other in "AZaz09-_=+/ é\n":
            if other != token[place]:
                yield token[:place] + other + token[place + 1 :]
            yield token[:place] + other + token[place:]
    yield token + token
    yield token + "A" * MAX_LENGTH


def test_no_altered_token_is_one() -> None:
    for position in (USUAL, Position(FEED, {}), Position(FEED, {0: 5})):
        for text in altered(token_of(position).decode()):
            with pytest.raises(InvalidToken):
                position_of(text, FEED)


@given(st.text(st.sampled_from(ALPHABET), min_size=1, max_size=200))
def test_no_made_up_text_is_a_token(text: str) -> None:
    with pytest.raises(InvalidToken):
        position_of(text, FEED)


def test_a_token_of_another_feed_is_told_apart_from_a_wrong_one() -> None:
    token = token_of(USUAL).decode()
    with pytest.raises(FeedReplaced):
        position_of(token, OTHER)
    with pytest.raises(InvalidToken):
        position_of(token[:-1], OTHER)


def test_a_token_tells_nothing_of_the_feeds_id_and_can_not_be_signed_without_it() -> None:
    token = token_of(USUAL)
    assert FEED.encode() not in token
    assert token != token_of(Position(OTHER, USUAL.batches, USUAL.within))
    assert len(token) < 150


def test_a_token_whose_inside_is_changed_with_its_checksum_is_refused() -> None:
    token = token_of(Position(FEED, {0: 5}))
    raw = urlsafe_b64decode(token + b"=" * (-len(token) % 4))
    body, mac = raw[:-14], raw[-10:]
    forged = body[:-1] + bytes([body[-1] ^ 1])
    text = urlsafe_b64encode(forged + crc32(forged).to_bytes(4, "big") + mac).rstrip(b"=")
    with pytest.raises(InvalidToken):
        position_of(text.decode(), FEED)
