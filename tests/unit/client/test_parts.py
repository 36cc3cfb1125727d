"""The client's pure parts: lines, batches, pauses, and what answers mean."""

import gzip
import json
import logging
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from activity_client.answers import Done, Refused, Reply, Retry, Split, Verdict, problem_text, read
from activity_client.backoff import MAX_RETRY_AFTER, Backoff, retry_after
from activity_client.batch import GZIP_FROM_BYTES, Batch
from activity_client.errors import BadEvent, BadUrl, BufferFull, NotJson, TooLarge
from activity_client.event_line import EVENT_BYTES, event_line
from activity_client.limits import Limits
from activity_client.log_event import event_time
from activity_client.log_throttle import LogThrottle
from activity_client.transport import Transport

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)


def reply(status: int, body: object = None, retry_after: str | None = None) -> Reply:
    return Reply(status, retry_after, json.dumps(body).encode())


def test_a_line_is_the_event_in_utf8_without_line_ends() -> None:
    line = event_line("c", "e", "zwei\nZeilen: ü", "a@b.c", {"n": [1, 2.5, None]})
    assert b"\n" not in line
    assert "ü".encode() in line
    assert json.loads(line) == {
        "component": "c",
        "environment": "e",
        "message": "zwei\nZeilen: ü",
        "email": "a@b.c",
        "data": {"n": [1, 2.5, None]},
    }


def test_what_is_not_given_is_not_sent() -> None:
    assert json.loads(event_line("c", "e", "m")).keys() == {"component", "environment", "message"}


@pytest.mark.parametrize(
    ("parts", "kind", "text"),
    [
        ((None, "e", "m"), BadEvent, "component must be a string, not NoneType"),
        (("c", 5, "m"), BadEvent, "environment must be a string, not int"),
        (("c", "e", " \n"), BadEvent, "message is blank"),
        (("c", "e", "m", None, {1, 2}), NotJson, "is not JSON serializable"),
        (("c", "e", "m", None, float("nan")), NotJson, "is not JSON serializable"),
        (("c", "e", "half \ud800"), NotJson, "lone surrogate"),
        (("c", "e", "x" * EVENT_BYTES), TooLarge, f"the limit is {EVENT_BYTES}"),
    ],
)
def test_what_the_service_would_refuse_is_refused_before(
    parts: tuple[Any, ...], kind: type[Exception], text: str
) -> None:
    with pytest.raises(kind, match=text):
        event_line(*parts)


def test_data_that_is_nested_too_deep_or_contains_itself_is_not_json() -> None:
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    circle: list[object] = []
    circle.append(circle)
    for data in (deep, circle):
        with pytest.raises(NotJson):
            event_line("c", "e", "m", None, data)


def test_a_batch_is_the_same_bytes_each_time_and_larger_ones_are_packed() -> None:
    small, large = Batch("k", [b"{}", b"[]"]), Batch("k", [b"x" * GZIP_FROM_BYTES])
    assert small.request.body == b"{}\n[]"
    assert "Content-Encoding" not in small.request.headers
    assert gzip.decompress(large.request.body) == large.lines[0]
    assert large.request.headers["Content-Length"] == str(len(large.request.body))
    assert large.request is large.request
    assert Batch("k", large.lines).request == large.request


def test_halves_hold_all_lines_under_keys_that_follow_from_the_first() -> None:
    first, second = Batch("k", [b"1", b"2", b"3"]).halves()
    assert [*first.lines, *second.lines] == [b"1", b"2", b"3"]
    assert (first.key, second.key) == ("k.0", "k.1")
    assert [half.key for half in second.halves()] == ["k.1.0", "k.1.1"]


def test_pauses_double_up_to_their_bound_and_chance_picks_below_it() -> None:
    longest = Backoff(2.0, draw=lambda: 1.0)
    assert [longest.next() for _ in range(6)] == pytest.approx([0.2, 0.4, 0.8, 1.6, 2.0, 2.0])
    assert Backoff(2.0, draw=lambda: 0.0).next() == 0.0


def test_what_the_service_asks_for_is_waited_at_least() -> None:
    backoff = Backoff(30.0, draw=lambda: 0.5)
    assert backoff.next(at_least=7.0) == pytest.approx(7.1)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 0),
        ("3", 3),
        (" 3 ", 3),
        ("-3", 0),
        ("soon", 0),
        ("Tue, 24 Nov 2026 08:00:09 GMT", 9),
        ("Tue, 24 Nov 2026 07:00:00 GMT", 0),
        ("86400", MAX_RETRY_AFTER),
    ],
)
def test_retry_after_is_a_number_or_a_date(header: str | None, seconds: float) -> None:
    assert retry_after(header, NOW) == seconds


def test_verdicts_are_read_in_order() -> None:
    error = {"status": 422, "detail": "no"}
    placed = {**error, "index": 1, "line": 2}  # of the batch
    answer = {"results": [{"id": "i", "created_at": "t"}, {"error": placed}]}
    for status in (202, 201, 422):
        assert read(reply(status, answer), 2) == Done([Verdict("i", "t"), Verdict(problem=error)])


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504])
def test_what_is_not_decided_is_tried_again(status: int) -> None:
    answer = read(reply(status, {"detail": "busy"}, "2"), 1)
    assert answer == Retry(f"answer {status}: busy", 2.0)


def test_too_large_is_halved() -> None:
    assert read(reply(413, {"detail": "large"}), 2) == Split({"detail": "large"})


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 405, 415, 422, 501])
def test_a_refusal_without_verdicts_says_nothing_about_the_events(status: int) -> None:
    assert read(reply(status, {"detail": "no"}), 2) == Refused(f"answer {status}: no")
    page = Reply(status, "7", b"<html>\n <head>", "https://b/")
    told = f"answer {status} (go to https://b/): <html> <head>"
    assert read(page, 1) == Refused(told, 7.0)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b'{"results": [{}]}', b'{"results": [1, 2]}']
)
def test_a_good_status_without_a_verdict_for_each_event_is_no_answer(body: bytes) -> None:
    answer = read(Reply(202, None, body), 2)
    assert isinstance(answer, Refused)
    assert not answer.untaken  # by whoever garbled the service's own answer


def test_a_problem_is_told_in_one_line() -> None:
    faults = [
        {"pointer": "/email", "detail": "is none"},
        {"header": "H", "detail": "is bad"},
        "odd",
    ]
    assert problem_text({"errors": faults, "detail": "2 faults"}) == "/email is none; H is bad; odd"
    assert problem_text({"title": "T", "detail": "D"}) == "D"
    assert problem_text({"title": "T"}) == "T"


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:5000", "ftp://host", "http://", "http://[", "file:///x"]
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(BadUrl, match="is not a service URL"):
        Transport(url)


def test_a_full_buffer_explains_itself() -> None:
    full = BufferFull(3, 99, NOW, "connection refused")
    assert str(full) == (
        "the buffer is full: 3 events (99 bytes) are waiting; the service has accepted none since "
        "2026-11-24T08:00:00+00:00: connection refused"
    )
    assert "more slowly" in str(BufferFull(3, 99))


def test_limits_that_leave_no_room_are_refused() -> None:
    with pytest.raises(ValueError, match="batch_events must be greater than 0, not 0"):
        Limits(batch_events=0)
    assert Limits(linger_seconds=0).linger_seconds == 0


def test_the_same_thing_is_throttled_and_what_was_silent_is_counted() -> None:
    time = 0.0
    throttle = LogThrottle(10, clock=lambda: time)
    assert [throttle.admit() for _ in range(3)] == [0, None, None]
    time = 10.0
    assert [throttle.admit() for _ in range(2)] == [2, None]


def test_the_time_of_an_event_is_sent_in_utc() -> None:
    zone = timezone(timedelta(hours=2))
    line = event_line("c", "e", "m", occurred_at=datetime(2026, 4, 16, 14, 30, tzinfo=zone))
    assert json.loads(line)["occurred_at"] == "2026-04-16T12:30:00+00:00"


@pytest.mark.parametrize(
    "wrong",
    [
        datetime(2026, 4, 16),
        "2026-04-16T12:30:00Z",
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1))),
    ],
)
def test_a_time_that_the_service_would_refuse_is_told_at_once(wrong: Any) -> None:
    with pytest.raises(BadEvent, match="occurred_at"):
        event_line("c", "e", "m", occurred_at=wrong)


def test_a_log_record_says_when_it_was_made_unless_it_can_not() -> None:
    record = logging.makeLogRecord({"created": 1_776_342_600.25})
    assert event_time(record) == datetime(2026, 4, 16, 12, 30, 0, 250_000, tzinfo=UTC)
    for created in (None, "x", 1e300, float("nan")):
        assert event_time(logging.makeLogRecord({"created": created})) is None
