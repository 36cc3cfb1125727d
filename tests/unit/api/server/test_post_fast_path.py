"""The fast path answers as FastAPI does, in order, once; it passes the rest on unchanged."""

import json
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.http.paths import EVENTS, plain_path, spellings
from api.server import fast_path_protocol
from api.server.bounded_protocol import PIECE_BYTES
from tests.support import fast_path_posts
from tests.support.fast_path_posts import (
    BODY,
    GOOD,
    LEFT,
    LEFT_LAST,
    TAKEN,
    TAKEN_LAST,
    assert_same,
    cut,
    post,
    talk,
)
from tests.support.hostile import fuzz, mutations
from tests.support.wired import Wired, run, steps

_no_lingering = fast_path_posts._no_lingering


@pytest.mark.parametrize("sent", TAKEN.values(), ids=TAKEN)
def test_what_is_plainly_good_never_comes_to_fastapi_but_is_answered_as_there(sent: bytes) -> None:
    ours = assert_same([sent])
    assert ours.requests == 0
    assert len(ours.wire.writes) == 1
    assert [answer.status for answer in ours.answers] == [202]
    assert ours.answers[0].headers == {
        "date": "Tue, 24 Nov 2026 09:00:00 GMT",
        "content-type": "application/json",
        "content-length": str(len(ours.appended[0]) + 1),  # a line feed
        "location": "/events/<id>",
        "activity-ack": "queued",
    }
    assert ours.sent.endswith(b"\r\n\r\n" + ours.appended[0] + b"\n")
    made = json.loads(ours.appended[0])
    assert b"location: /events/%b\r\n" % made["id"].encode() in ours.sent


@pytest.mark.parametrize("sent", TAKEN_LAST.values(), ids=TAKEN_LAST)
def test_what_is_plainly_good_and_the_last_is_answered_and_the_connection_closed(
    sent: bytes,
) -> None:
    ours = assert_same([sent + GOOD])
    assert (ours.requests, len(ours.wire.writes)) == (0, 1)
    [answer] = ours.answers
    assert (answer.status, answer.headers["connection"]) == (202, "close")
    assert ours.closed


@pytest.mark.parametrize("sent", [*LEFT.values(), *LEFT_LAST.values()], ids=[*LEFT, *LEFT_LAST])
def test_what_is_not_plainly_good_is_answered_as_if_there_were_no_fast_path(sent: bytes) -> None:
    ours = assert_same([sent])
    assert len(ours.answers) == 1
    for places in ([len(sent) - 1], range(0, len(sent), 7), [sent.find(b"\r\n\r\n") + 4]):
        assert assert_same(cut(sent, places)).answers == ours.answers


@fuzz(300)
@given(mutations([BODY]))
def test_whatever_is_posted_is_answered_the_same_both_ways(body: bytes) -> None:
    assert_same([post(body)])


def test_wherever_a_packet_ends_the_answer_is_the_same() -> None:
    whole = talk([GOOD])
    for place in range(1, len(GOOD)):
        ours = talk(cut(GOOD, [place]))
        assert ours.answers == whole.answers
        assert (ours.requests, len(ours.wire.writes)) == (0, 1)


def test_a_body_that_comes_late_is_waited_for_as_any_other() -> None:
    whole = talk([GOOD])

    async def scenario() -> None:
        with mock.patch.object(fast_path_protocol, "HOLD_SECONDS", 0):
            wired = Wired()
            for piece in cut(GOOD, [len(GOOD) - 30, len(GOOD) - 20]):
                wired.protocol.data_received(piece)
                await steps()
            await wired.send()
        assert wired.requests == 1
        assert wired.answers == whole.answers
        await wired.send(GOOD)
        assert wired.requests == 1
        assert len(wired.answers) == 2

    run(scenario)


requests = st.sampled_from(list({**TAKEN, **LEFT}.values()))


@settings(max_examples=300, deadline=None)
@given(
    st.lists(requests, max_size=8),
    st.sampled_from([b"", *TAKEN_LAST.values(), *LEFT_LAST.values()]),
    st.lists(st.integers(1, 4000), max_size=12),
)
def test_whatever_is_pipelined_in_whatever_packets_is_answered_in_order(
    sent: list[bytes], last: bytes, places: list[int]
) -> None:
    pieces = cut(b"".join([*sent, last]), places)
    ours = assert_same(pieces)
    assert len(ours.answers) == len(sent) + bool(last)
    assert [answer.status for answer in ours.answers[: len(sent)]] == [
        talk([one]).answers[0].status for one in sent
    ]


def test_many_events_in_one_packet_take_the_fast_path_one_after_the_other() -> None:
    ours = talk([GOOD * 100])
    assert ours.requests <= 100 * len(GOOD) / PIECE_BYTES  # those that are cut where a piece ends
    assert [answer.status for answer in ours.answers] == [202] * 100
    assert len(set(ours.appended)) == 100


@pytest.mark.parametrize("path", sorted(spellings(EVENTS)))
def test_the_fast_path_knows_only_paths_that_are_those_of_events(path: str) -> None:
    assert plain_path(path) == "/events"
