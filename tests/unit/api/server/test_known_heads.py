"""A head that came before is not parsed again, and answered as if it were."""

from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.server.known_heads import MAX_HEAD_BYTES, MAX_HEADS
from tests.support import fast_path_posts
from tests.support.fast_path_posts import (
    BODY,
    GOOD,
    LEFT,
    TAKEN,
    assert_same,
    cut,
    goes_on,
    post,
    under_way,
)
from tests.support.hostile import JSON
from tests.support.keys import new_key, records, revoked, ring_with
from tests.support.wired import Wired, run

_no_lingering = fast_path_posts._no_lingering

OTHER = BODY.replace(b"shipped", b"ordered")
KEY = new_key()


class NoParser:
    """Fails the test that parses anything."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the parser was asked: {name}")


def heads_of(wired: Wired) -> dict[bytes, Any]:
    posts = wired.protocol._posts
    assert posts is not None
    return posts.heads.found


@pytest.mark.parametrize("name", TAKEN)
def test_a_head_is_parsed_once(name: str) -> None:
    async def scenario() -> None:
        wired = Wired()
        await wired.send(TAKEN[name])
        wired.protocol.parser = cast(Any, NoParser())
        await wired.send(TAKEN[name])
        await wired.send(TAKEN[name])
        assert [answer.status for answer in wired.answers] == [202] * 3
        assert (len(wired.appended), wired.requests) == (3, 0)
        await wired.hang_up()

    run(scenario)


def test_each_post_has_its_own_body() -> None:
    async def scenario() -> None:
        wired = Wired()
        await wired.send(GOOD)
        await wired.send(GOOD.replace(BODY, OTHER))
        assert [b"ordered" in event for event in wired.appended] == [False, True]
        await wired.hang_up()

    run(scenario)


# Requests with known heads among others, whole and in pieces, alone and pipelined.
ODD = {
    "shorter": GOOD[:-9],
    "with more behind": GOOD + GOOD[:20],
    "longer, but still JSON": GOOD + b" ",
    "shorter, but still JSON": post(BODY + b" ")[:-1],
    "of that length": post(BODY + b" "),
    "bad, of the same length": GOOD.replace(BODY, b"{" * len(BODY)),
    "of a known head with another body": GOOD.replace(BODY, OTHER),
    "an empty line before": b"\r\n" + GOOD,
    "an empty line behind": GOOD + b"\r\n",
    "bare line feeds": GOOD.replace(b"\r\n", b"\n"),
    "an empty line in the body": post(BODY[:-1] + b"\r\n\r\n}"),
    "close": post(BODY, JSON, b"Connection: close"),
}
PIECES = st.sampled_from([*TAKEN.values(), *LEFT.values(), *ODD.values()])


@given(
    st.lists(st.one_of(st.just(GOOD), PIECES), min_size=2, max_size=6),
    st.lists(st.integers(0, 2_000), max_size=3),
)
def test_known_or_not_each_is_answered_the_same(sent: list[bytes], places: list[int]) -> None:
    assert_same(sent, one_by_one=True)
    assert_same([GOOD, GOOD, *cut(b"".join(sent), places)], one_by_one=True)


@pytest.mark.parametrize("odd", ["longer, but still JSON", "shorter, but still JSON"])
def test_a_known_head_takes_a_body_of_its_length_alone(odd: str) -> None:
    assert_same([GOOD, ODD["of that length"], ODD[odd], b"}", GOOD], one_by_one=True)


def test_a_head_is_not_taken_for_that_of_the_request_behind_it() -> None:
    longer = post(BODY + b" ")
    assert_same([GOOD + longer, GOOD, longer], one_by_one=True)
    assert_same([GOOD + longer, GOOD[: -len(BODY)] + BODY + b" ", GOOD], one_by_one=True)


def test_the_key_of_a_known_head_may_be_revoked() -> None:
    async def scenario() -> None:
        keys = ring_with(KEY)
        keys.principal_of([(b"authorization", KEY.value)])
        wired = Wired(keys=keys)
        sent = post(BODY, JSON, b"Authorization: " + KEY.value)
        await wired.send(sent)
        await wired.send(sent)
        keys.add_queue(records(revoked(KEY)))
        await wired.send(sent)
        assert [answer.status for answer in wired.answers] == [202, 202, 401]
        assert len(wired.appended) == 2
        await wired.hang_up()

    run(scenario)


def test_behind_another_request_a_known_head_waits_for_its_turn() -> None:
    async def scenario() -> None:
        wired = Wired()
        await wired.send(GOOD)
        under_way(wired)
        await wired.send(GOOD, GOOD)
        assert len(wired.answers) == 1
        await goes_on(wired, GOOD)
        assert [answer.status for answer in wired.answers] == [202] * 4
        assert len(set(wired.appended)) == 4
        await wired.hang_up()

    run(scenario)


def test_a_known_head_during_a_stop_is_answered_with_close() -> None:
    async def scenario() -> None:
        wired = Wired()
        await wired.send(GOOD)
        wired.protocol.announce_close()
        await wired.send(GOOD)
        assert [answer.headers.get("connection") for answer in wired.answers] == [None, "close"]
        await wired.hang_up()

    run(scenario)


def test_what_is_remembered_is_bounded() -> None:
    async def scenario() -> None:
        wired = Wired()
        await wired.send(post(BODY, JSON, b"X: " + b"x" * MAX_HEAD_BYTES))
        assert not heads_of(wired)
        for number in range(MAX_HEADS + 1):
            await wired.send(post(BODY, JSON, b"X: %d" % number))
        assert len(heads_of(wired)) == 1
        await wired.hang_up()

    run(scenario)
