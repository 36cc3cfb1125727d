"""The access log beside the fast paths: they stay, and it keeps to its share."""

import logging

import pytest

from api.server.access_log import AccessLog, Answered, access_log
from api.settings import ApiSettings
from storage.logs.request_id import RequestId
from tests.support.fast_path_posts import GOOD
from tests.support.wired import Wired, run


def answered(status: int = 200, path: str = "/events") -> Answered:
    return Answered("GET", path, status, 10, 0, RequestId(()), ("192.0.2.1", 5))


def test_the_fast_path_of_posts_stays_while_it_is_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(access_log, "every", 1)

    async def scenario() -> None:
        wired = Wired()
        with caplog.at_level(logging.INFO):
            await wired.send(GOOD * 3)
        assert [answer.status for answer in wired.answers] == [202] * 3
        assert wired.requests == 0, "none for FastAPI"

    run(scenario)
    assert [record.getMessage().split(",")[0] for record in caplog.records] == [
        "POST /events 202"
    ] * 3


@pytest.mark.parametrize(
    ("text", "every"),
    [("off", 0), ("all", 1), ("1/1", 1), ("1/100", 100), ("1/9999999", 9_999_999)],
)
def test_the_setting_gives_the_share(text: str, every: int) -> None:
    assert ApiSettings(access_log=text, _env_file=None).access_log_every == every


def test_a_share_is_drawn_and_errors_are_always_recorded(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    drawn = iter([1, 0, 2])
    monkeypatch.setattr("api.server.access_log.secrets.randbelow", lambda every: next(drawn))
    some = AccessLog()
    some.every = 3
    with caplog.at_level(logging.INFO):
        for path in ("/1", "/2", "/3"):
            some.record(answered(path=path))
        some.record(answered(503, "/4"))
    assert [record.__dict__["fields"]["path"] for record in caplog.records] == ["/2", "/4"]


def test_what_is_not_known_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    some = AccessLog()
    some.every = 1
    with caplog.at_level(logging.INFO):
        some.record(Answered("", "", 400, None, 0, RequestId(()), None))
    [record] = caplog.records
    assert record.__dict__["fields"] == {
        "method": "-",
        "path": "-",
        "status": 400,
        "duration_ms": 0.0,
    }
    assert record.getMessage() == "- - 400, 0.0 ms, unknown bytes, from a local client"
