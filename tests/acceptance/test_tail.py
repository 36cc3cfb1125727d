"""Follow the events as they are stored: `GET /events/tail`."""

from testbed.service import Service
from tests.support.event_streams import tail


def post(running: Service, number: int, **more: object) -> object:
    event = {"component": "c", "environment": "e", "message": f"number {number}", **more}
    return running.post(**event)["id"]


def test_events_come_as_they_are_stored_and_each_is_where_the_next_stream_begins(
    running: Service,
) -> None:
    before = post(running, 0)
    running.wait_stored(before)
    with tail(running.http) as stream:
        assert stream.response.headers["content-type"] == "text/event-stream"
        assert stream.response.headers["cache-control"] == "no-store"
        assert stream.response.headers["x-accel-buffering"] == "no"
        assert stream.response.headers["activity-lag"]
        assert "content-encoding" not in stream.response.headers
        sent = [post(running, number, data={"line": "a\nb\r\n\u2028"}) for number in range(5)]
        got = stream.take(2)
        assert stream.parser.retry_ms == 1000
    with tail(running.http, stream.parser.last_event_id) as again:
        got += again.take(3)
    assert [each["id"] for each in got] == sent
    assert got[0]["data"] == {"line": "a\nb\r\n\u2028"}


def test_a_stream_tells_each_second_where_it_stands(running: Service) -> None:
    with tail(running.http) as stream:
        assert stream.next("at")["behind"] == 0
        first = stream.parser.last_event_id
        told = [stream.next("at") for _ in range(2)]
        assert all(each == {"lag_seconds": 0, "behind": 0, "trouble": None} for each in told)
        assert stream.parser.last_event_id == first  # nothing was stored
    sent = post(running, 1)
    with tail(running.http, first) as stream:
        assert [each["id"] for each in stream.take(1)] == [sent]
