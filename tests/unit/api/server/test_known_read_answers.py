"""The answers to reads with known heads are those that FastAPI and uvicorn would give."""

import logging
from typing import Any
from unittest import mock

import pytest

from api.server.access_log import access_log
from api.server.known_heads import MAX_HEAD_BYTES, MAX_HEADS
from api.server.unread_answers import LARGE_BYTES
from storage.errors import ControlUnavailable
from storage.metrics.catalogue import CACHE_REQUESTS, HTTP_REQUESTS
from storage.metrics.layout import combinations, offset
from storage.metrics.metric import Metric
from storage.metrics.process import own
from storage.model.cached_page import CachedPage
from tests.support import fast_path_posts
from tests.support.fast_path_posts import GOOD
from tests.support.known_reads import (
    OTHER,
    PAGE,
    Validation,
    answering,
    get,
    known_reads,
    statuses,
    wired,
)
from tests.support.wired import run, steps

_no_lingering = fast_path_posts._no_lingering


@pytest.mark.parametrize("current", [b'"of another page"', None, ControlUnavailable("away")])
def test_a_page_that_may_not_be_served_is_left_to_fastapi(current: Any) -> None:
    async def scenario() -> None:
        connection = wired()
        answering(connection)
        await connection.send(get())
        connection.pages.current = current
        await connection.send(get())
        assert connection.requests == 1
        connection.pages.page = None
        await connection.send(get())
        assert connection.requests == 2
        connection.pages.page, connection.pages.current = OTHER, OTHER.etag
        await connection.send(get())
        assert connection.requests == 2
        assert connection.answers[-1].body == OTHER.body.decode()
        await connection.hang_up()

    run(scenario)


def test_fastapi_gets_the_request_as_it_was_each_time() -> None:
    async def scenario() -> None:
        connection = wired()
        scopes = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            scopes.append({**scope, "headers": list(scope["headers"]), "state": {**scope["state"]}})
            message = await receive()
            assert (message["body"], message["more_body"]) == (b"", False)
            scope["headers"].clear()
            scope["path"], scope["state"]["seen"], scope["more"] = "/", 1, 1
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body"})

        connection.protocol.app = app
        for _ in range(3):
            connection.pages.current = None
            known_reads(connection).clear()
            await connection.send(get())  # parsed
            await connection.send(get())  # known, as the same head was taken
            await connection.send(get())
        assert len(scopes) == 9
        assert all(scope == scopes[0] for scope in scopes)
        await connection.hang_up()

    run(scenario)


def test_requests_behind_a_known_one_wait_for_its_answer() -> None:
    async def scenario() -> None:
        connection = wired()
        answering(connection)
        await connection.send(get())
        control = Validation(connection)
        for sent in (get(), get(), GOOD, get(b"/health")):
            connection.protocol.data_received(sent)
        await steps()
        assert len(connection.answers) == 1
        await control.answers(None)  # so FastAPI answers it
        assert connection.requests == 1
        await control.answers(PAGE.etag)
        await connection.send()
        assert statuses(connection) == [200, 204, 200, 202, 204]
        await connection.hang_up()

    run(scenario)


@pytest.mark.parametrize("etag", [PAGE.etag, None])
def test_a_client_that_leaves_meanwhile_is_not_answered(etag: bytes | None) -> None:
    async def scenario() -> None:
        connection = wired()
        await connection.send(get())
        control = Validation(connection)
        connection.protocol.data_received(get())
        await connection.hang_up()
        await control.answers(etag)
        assert len(connection.answers) == 1
        assert not connection.state.tasks

    run(scenario)


def test_a_client_that_closes_its_side_is_answered() -> None:
    async def scenario() -> None:
        connection = wired()
        await connection.send(get())
        control = Validation(connection)
        connection.protocol.data_received(get())
        assert connection.protocol.eof_received()
        await control.answers(PAGE.etag)
        await connection.send()
        assert statuses(connection) == [200, 200]
        assert connection.answers[1].headers["connection"] == "close"
        assert connection.wire.closed
        await connection.hang_up()

    run(scenario)


def test_a_known_head_during_a_stop_is_answered_with_close() -> None:
    async def scenario() -> None:
        connection = wired()
        await connection.send(get())
        control = Validation(connection)
        connection.protocol.data_received(get())
        connection.protocol.shutdown()
        await control.answers(PAGE.etag)
        await connection.send()
        shown = [answer.headers.get("connection") for answer in connection.answers]
        assert shown == [None, "close"]
        assert connection.wire.closed
        await connection.hang_up()

    run(scenario)


def test_a_known_head_after_the_notice_of_a_stop_is_answered_with_close() -> None:
    async def scenario() -> None:
        connection = wired()
        await connection.send(get())
        connection.protocol.announce_close()
        await connection.send(get())
        shown = [answer.headers.get("connection") for answer in connection.answers]
        assert shown == [None, "close"]
        await connection.hang_up()

    run(scenario)


@pytest.mark.parametrize("before", [True, False])
def test_a_client_that_does_not_read_gets_its_page_once_it_does(before: bool) -> None:
    async def scenario() -> None:
        connection = wired()
        await connection.send(get())
        control = Validation(connection)
        if before:
            connection.protocol.pause_writing()
        connection.protocol.data_received(get())
        await steps()
        assert len(control.asked) == (not before)
        if not before:
            connection.protocol.pause_writing()
            await control.answers(PAGE.etag)
        assert len(connection.answers) == 1
        connection.protocol.resume_writing()
        if before:
            await control.answers(PAGE.etag)
        await connection.send()
        assert statuses(connection) == [200, 200]
        assert connection.requests == 0
        await connection.hang_up()

    run(scenario)


def test_a_large_page_is_answered_whole() -> None:
    async def scenario() -> None:
        connection = wired()
        page = CachedPage.of(b"x" * (LARGE_BYTES + 1))
        connection.pages.page, connection.pages.current = page, page.etag
        for _ in range(3):
            await connection.send(get())
        assert [answer.body for answer in connection.answers] == [page.body.decode()] * 3
        assert connection.requests == 0
        await connection.hang_up()

    run(scenario)


def test_a_header_that_is_none_is_never_sent() -> None:
    async def scenario() -> None:
        connection = wired()
        await connection.send(get())
        bad = CachedPage(b"{}", b'"a"\r\nx-more: 1')
        connection.pages.page, connection.pages.current = bad, bad.etag
        connection.protocol.data_received(get())
        await steps()
        assert b"x-more" not in connection.sent
        await connection.hang_up()

    with mock.patch("logging.Logger.error"):  # uvicorn's
        run(scenario)


def test_date_and_lag_are_those_of_the_answer() -> None:
    async def scenario() -> None:
        connection = wired()
        lag = connection.lag
        for number in range(4):
            connection.state.default_headers = [(b"date", b"%d" % number)]
            lag._header = b"activity-lag", b"%d.5" % (number // 2)
            lag._read_at = 1e12
            await connection.send(get())
        shown = [(a.headers["date"], a.headers["activity-lag"]) for a in connection.answers]
        assert shown == [("0", "0.5"), ("1", "0.5"), ("2", "1.5"), ("3", "1.5")]
        await connection.hang_up()

    run(scenario)


def counted(metric: Metric) -> int:
    """Return the sum of the cells of a counter."""
    first = offset(metric)
    return sum(own.cells[first : first + len(combinations(metric))])


def test_each_answer_is_counted_once() -> None:
    def both() -> tuple[int, int]:
        return counted(HTTP_REQUESTS) - before[0], counted(CACHE_REQUESTS) - before[1]

    before = 0, 0
    before = both()

    async def scenario() -> None:
        connection = wired()
        for number in range(1, 4):
            await connection.send(get())
            assert both() == (number, number)
        await connection.send(get(b"/events", b"If-None-Match: *"))
        await connection.send(get(b"/events", b"If-None-Match: *"))
        assert statuses(connection)[3:] == [304, 304]
        assert both() == (5, 5)
        await connection.hang_up()

    run(scenario)


def test_the_access_log_has_each_answer(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(access_log, "every", 1)

    async def scenario() -> None:
        connection = wired()
        with caplog.at_level(logging.INFO):
            for _ in range(3):
                await connection.send(get(b"/api/events?component=a"))
        await connection.hang_up()

    run(scenario)
    shown = [record.getMessage().split(",")[0] for record in caplog.records]
    assert shown == ["GET /api/events 200"] * 3


def test_what_is_remembered_is_bounded() -> None:
    async def scenario() -> None:
        connection = wired()
        await connection.send(get(b"/events", b"X: " + b"x" * MAX_HEAD_BYTES))
        assert not known_reads(connection)
        for number in range(MAX_HEADS + 1):
            await connection.send(get(b"/events", b"X: %d" % number))
        assert len(known_reads(connection)) == 1
        await connection.hang_up()

    run(scenario)
