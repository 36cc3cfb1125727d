"""Each error answer names its request, and so does what the service logs meanwhile."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from activity_client.answers import Reply, Retry, read
from api.http.problems import REQUEST_ID
from testbed.servers import TestServers
from testbed.service import Service, service
from testbed.waiting import wait_until
from tests.support.problems import problem
from tests.support.raw_http import Raw

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SENT = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
EVENT = {"component": "c", "environment": "e", "message": "m"}
HEADER = REQUEST_ID.decode()


@pytest.fixture(scope="module")
def broken(
    servers: TestServers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Service, Path]]:
    """Run an API whose PostgreSQL and queue do not answer, and yield it with its log."""
    away = servers.settings().model_copy(
        update={
            "queue_url": "redis://127.0.0.1:1/0",
            "database_url": "postgresql+psycopg2://127.0.0.1:1/activity",
            "read_url": "",
        }
    )
    log = tmp_path_factory.mktemp("log") / "stderr"
    with (
        log.open("wb") as stderr,
        service(
            away, workers=0, probe="/health", log_to=stderr, log="json", auth="open"
        ) as running,
    ):
        yield running, log


def records_of(log: Path, request: str) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in log.read_text().splitlines()]
    return [each for each in found if each.get("request_id") == request]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/events?component=of-no-other-test", None),  # control may have other pages cached
        ("POST", "/events?ack=stored", EVENT),
        ("POST", "/events/batch", [EVENT]),
    ],
)
def test_the_log_has_the_id_of_the_answer(
    broken: tuple[Service, Path], method: str, path: str, body: object
) -> None:
    running, log = broken
    for headers in ({}, SENT):
        response = running.http.request(method, path, json=body, headers=headers)
        request = problem(response, 503)["request_id"]
        assert (request == TRACE) == bool(headers)
        found = wait_until(partial(records_of, log, request), "the record")
        assert path.partition("?")[0] in found[-1]["message"]


def test_the_fast_path_names_the_request_too(broken: tuple[Service, Path]) -> None:
    running, _ = broken
    assert (
        problem(running.http.post("/events", json=EVENT, headers=SENT), 503)["request_id"] == TRACE
    )
    made = [problem(running.http.post("/events", json=EVENT), 503)["request_id"] for _ in range(2)]
    assert len({*made, TRACE}) == 3


def test_pipelined_requests_have_each_its_own(broken: tuple[Service, Path]) -> None:
    running, _ = broken
    body = json.dumps(EVENT).encode()
    traces = [f"{number:032x}" for number in range(1, 9)]
    with Raw(running) as raw:
        raw.send(
            b"".join(
                b"POST /events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                b"traceparent: 00-%b-00f067aa0ba902b7-01\r\nContent-Length: %d\r\n\r\n%b"
                % (trace.encode(), len(body), body)
                for trace in traces
            )
        )
        answers = [raw.answer() for _ in traces]
    assert [json.loads(each.body)["request_id"] for each in answers] == traces


def test_a_refusal_by_the_protocol_names_it(broken: tuple[Service, Path]) -> None:
    running, _ = broken
    head = f"POST /events HTTP/1.1\r\nHost: localhost\r\ntraceparent: {SENT['traceparent']}\r\n"
    with Raw(running) as raw:
        raw.send(f"{head}Content-Length: 1\r\nContent-Length: 2\r\n\r\n".encode())
        answer = raw.answer()
    assert answer.status == 400
    assert json.loads(answer.body)["request_id"] == answer.headers[HEADER]
    with Raw(running) as raw:
        raw.send(b"nonsense\r\n\r\n")
        answer = raw.answer()
    assert json.loads(answer.body)["request_id"] == answer.headers[HEADER] != TRACE


def test_an_otlp_error_has_the_header(broken: tuple[Service, Path]) -> None:
    running, _ = broken
    response = running.http.post("/v1/logs", json={"resourceLogs": 1}, headers=SENT)
    assert response.status_code == 400
    assert response.headers[HEADER] == TRACE
    assert response.json().keys() <= {"code", "message", "details"}


def test_a_good_answer_has_none(running: Service) -> None:
    for response in (
        running.http.post("/events", json=EVENT, headers=SENT),
        running.http.get("/events", headers=SENT),
        running.http.post("/events/batch", json=[EVENT, {}], headers=SENT),
    ):
        assert response.status_code in (200, 202)
        assert HEADER not in response.headers
        assert b"request_id" not in response.content


def test_the_client_shows_it(broken: tuple[Service, Path]) -> None:
    running, _ = broken
    response = running.http.post("/events/batch", json=[EVENT], headers=SENT)
    answer = read(Reply(response.status_code, None, response.content), 1)
    assert isinstance(answer, Retry)
    assert answer.reason.endswith(f" (request {TRACE})")


def test_the_document_says_so(running: Service) -> None:
    document = httpx.Response.json(running.http.get("/openapi.json"))
    problem_schema = document["components"]["schemas"]["ProblemAnswer"]
    assert "request_id" in problem_schema["properties"]
    refused = document["paths"]["/events"]["post"]["responses"]["503"]
    assert "X-Request-Id" in refused["headers"]
