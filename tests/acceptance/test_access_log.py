"""The access log over real HTTP: what is in it, what never is, and which share of it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from storage.settings import StorageSettings
from testbed.servers import environment
from testbed.service import Service, service
from testbed.waiting import wait_until
from tests.support.raw_http import Raw

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TOKEN = "act_0aZ9bY8c_" + "S3cretS3cretS3cretS3cretS3cretS3aB3dE6"
SENT = {
    "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01",
    "authorization": f"Bearer {TOKEN}",
    "cookie": "cookie-secret",
}
EVENT = {"component": "logged", "environment": "e", "message": "m", "email": "ann@example.com"}


@contextmanager
def logged(settings: StorageSettings, log: Path, share: str, workers: int = 1) -> Iterator[Service]:
    with (
        log.open("wb") as stderr,
        service(
            settings,
            workers=workers,
            probe="/health",
            cache_grace_ms=0,
            log_to=stderr,
            log="json",
            access_log=share,
            auth="open",
        ) as running,
    ):
        wait_until(lambda: records(log) or share not in ("all", "1/1"), "the first record")
        yield running


def records(log: Path) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in log.read_text().splitlines()]
    return [each for each in found if each["logger"] == "api.server.access_log"]


def requests(log: Path) -> list[tuple[str, str, int]]:
    return [
        (each["method"], each["path"], each["status"])
        for each in records(log)
        if each["path"] != "/health"
    ]


def test_each_answer_is_recorded_whoever_gives_it(
    settings: StorageSettings, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    with logged(settings, log, "all") as running:
        http = running.http
        posted = http.post("/events", json=EVENT, headers=SENT).json()
        running.wait_stored(posted["id"])
        page = http.get("/events", params={"email": "ann@example.com"}, headers=SENT)
        assert page.headers["x-cache"] == "MISS"
        for _ in range(3):
            page = http.get("/events", params={"email": "ann@example.com"}, headers=SENT)
            assert page.headers["x-cache"] == "HIT"
        refused = http.post("/events", json={}, headers={"authorization": f"Bearer {TOKEN}"})
        http.post("/api/events/batch/", json=[EVENT], headers=SENT)
        http.head("/events", headers=SENT)
        http.get("/nowhere/" + "x" * 5000, headers=SENT)
        with Raw(running) as raw:
            raw.send(b"nonsense\r\n\r\n")
            assert raw.answer().status == 400
        wait_until(lambda: ("-", "-", 400) in requests(log), "the last record")
    found = [each for each in requests(log) if not each[1].startswith("/events/0")]
    assert found == [
        ("POST", "/events", 202),
        ("GET", "/events", 200),
        *[("GET", "/events", 200)] * 3,
        ("POST", "/events", 422),
        ("POST", "/api/events/batch/", 202),
        ("HEAD", "/events", 200),
        ("GET", "/nowhere/" + "x" * (1024 - 9), 404),
        ("-", "-", 400),
    ]
    first, *_ = [each for each in records(log) if each["status"] == 202]
    assert first["request_id"] == TRACE
    assert first["client"] == "127.0.0.1"
    assert first["bytes"] == len(json.dumps(posted, separators=(",", ":"))) + 1
    assert 0 < first["duration_ms"] < 60_000
    assert first["level"] == "info"
    assert first["message"].startswith("POST /events 202, ")
    [invalid] = [each for each in records(log) if each["status"] == 422]
    assert invalid["request_id"] == refused.json()["request_id"]
    for secret in (TOKEN, "S3cret", "cookie-secret", "ann@example.com", "uthorization", "?"):
        assert secret not in "".join(map(json.dumps, records(log)))


def test_of_a_share_every_error_of_the_service_is_recorded(
    settings: StorageSettings, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    away = settings.model_copy(update={"queue_url": "redis://127.0.0.1:1/0"})
    with logged(away, log, "1/1000000", workers=0) as running:
        ids = [running.http.post("/events", json=EVENT).json()["request_id"] for _ in range(3)]
        assert running.http.get("/nowhere").status_code == 404
        wait_until(lambda: len(records(log)) >= 3, "the errors")
    assert [each["request_id"] for each in records(log)] == ids
    assert {each["status"] for each in records(log)} == {503}


def test_pipelined_answers_have_each_their_own_id(
    settings: StorageSettings, tmp_path: Path
) -> None:
    """Mix the fast path and FastAPI: one request ends in the task of another."""
    log = tmp_path / "log"
    body = json.dumps(EVENT).encode()
    traces = [f"{number:032x}" for number in range(1, 9)]

    def sent(number: int, trace: str) -> bytes:
        query = b"?ack=queued" if number % 2 else b""
        return (
            b"POST /events%b HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"traceparent: 00-%b-00f067aa0ba902b7-01\r\nContent-Length: %d\r\n\r\n%b"
            % (query, trace.encode(), len(body), body)
        )

    with logged(settings, log, "all", workers=0) as running, Raw(running) as raw:
        raw.send(b"".join(sent(number, trace) for number, trace in enumerate(traces)))
        assert [raw.answer().status for _ in traces] == [202] * 8
        wait_until(partial(has_all, log, 8), "the records")
    found = [each["request_id"] for each in records(log) if each["method"] == "POST"]
    assert found == traces


def has_all(log: Path, count: int) -> bool:
    return len([each for each in records(log) if each["method"] == "POST"]) == count


def test_off_records_nothing(settings: StorageSettings, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with logged(settings, log, "off", workers=0) as running:
        running.post(**EVENT)
        assert running.http.get("/nowhere").status_code == 404
    assert records(log) == []


def test_a_share_of_another_form_is_refused(settings: StorageSettings) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "api", "--port", "0"],
        env=environment(settings, access_log="0.5"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    assert "ACTIVITY_ACCESS_LOG" in ended.stderr
