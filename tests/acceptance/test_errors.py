"""Test the errors that a client gets for a wrong request."""

import gzip

import pytest

from testbed.service import Service
from tests.support.problems import document, problem
from tests.support.raw_http import Raw, request
from tests.support.wrong_requests import (
    ALLOWED,
    BODY,
    EVENT,
    JSON,
    UNKNOWN_ID,
    length,
    parameters,
    post,
)

# --- the body ----------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [b"", b"{", b"component=a", b"\xff\xfe", BODY + b"x", b"\0"])
def test_a_body_that_is_not_json_is_malformed(running: Service, body: bytes) -> None:
    found = problem(post(running, body, content_type="application/json"), 400)
    assert "is not" in found["detail"]


def test_every_fault_of_an_event_is_listed_at_once(running: Service) -> None:
    body = b'{"environment":" ","message":1,"email":"jo","colour":"red","data":[0,NaN,"\\ud800"]}'
    found = problem(post(running, body, content_type="application/json"), 422)
    assert {error["pointer"] for error in found["errors"]} == {
        "/component",
        "/environment",
        "/message",
        "/email",
        "/colour",
        "/data/1",
        "/data/2",
    }
    assert found["detail"] == "7 things are wrong."


def test_a_body_over_the_limit_is_refused_by_its_announced_length(running: Service) -> None:
    with Raw(running) as raw:
        raw.send(request(b"", b"POST", b"/events", JSON, b"Content-Length: 262145"))
        answer = raw.answer()
        found = document(answer.status, answer.headers, answer.body, 413)
        assert "262144" in found["detail"]
        assert answer.headers["connection"] == "close"


def test_a_client_that_sends_far_too_much_still_gets_its_answer(running: Service) -> None:
    body = b"x" * 20_000_000
    with Raw(running) as raw:
        raw.socket.sendall(request(b"", b"POST", b"/events", JSON, length(body)) + body)
        answer = raw.answer()
        document(answer.status, answer.headers, answer.body, 413)
        assert raw.is_closed()
    problem(post(running, body, content_type="application/json"), 413)


def test_a_chunked_body_over_the_limit_is_refused_once_it_is_over(running: Service) -> None:
    chunk = b"8000\r\n" + b" " * 0x8000 + b"\r\n"
    with Raw(running) as raw:
        raw.send(request(b"", b"POST", b"/events", JSON, b"Transfer-Encoding: chunked"))
        raw.send(*[chunk] * 9)
        answer = raw.answer()
        document(answer.status, answer.headers, answer.body, 413)
        raw.send(b"0\r\n\r\n")
        assert raw.is_closed()


def test_a_body_of_just_the_limit_is_accepted_also_in_chunks(running: Service) -> None:
    body = BODY + b" " * (262_144 - len(BODY))
    assert post(running, body, content_type="application/json").status_code == 202
    with Raw(running) as raw:
        raw.send(request(b"", b"POST", b"/events", JSON, b"Transfer-Encoding: chunked"))
        raw.send(b"%x\r\n" % 100_000, body[:100_000], b"\r\n")
        raw.send(b"%x\r\n" % 162_144, body[100_000:], b"\r\n0\r\n\r\n")
        assert raw.answer().status == 202


def test_a_client_that_goes_away_in_the_middle_of_its_body_harms_nobody(running: Service) -> None:
    for _ in range(20):
        with Raw(running) as raw:
            raw.send(request(BODY[:10], b"POST", b"/events", JSON, length(BODY)))
    assert post(running, content_type="application/json").status_code == 202


@pytest.mark.parametrize(
    ("kind", "shown"),
    [
        ("text/plain", "text/plain"),
        ("application/x-www-form-urlencoded", "application/x-www-form-urlencoded"),
        ("application/jsonp", "application/jsonp"),
        ("", "without a content type"),
    ],
)
def test_another_media_type_is_refused_with_the_one_to_send(
    running: Service, kind: str, shown: str
) -> None:
    response = post(running, content_type=kind) if kind else post(running)
    detail = problem(response, 415)["detail"]
    assert "Send application/json" in detail
    assert shown in detail


@pytest.mark.parametrize(
    "kind", ["application/json", "Application/JSON; charset=utf-8", "application/json ;v=1"]
)
def test_json_is_understood_with_any_parameter_and_case(running: Service, kind: str) -> None:
    assert post(running, content_type=kind).status_code == 202


def test_an_event_in_an_unknown_coding_is_refused_with_what_to_do(running: Service) -> None:
    response = post(
        running, gzip.compress(BODY), content_type="application/json", content_encoding="zstd"
    )
    assert problem(response, 415)["detail"].startswith("Send the body as it is, or with gzip")
    assert response.headers["accept-encoding"] == "gzip"


def test_a_parameter_on_a_post_is_refused(running: Service) -> None:
    response = running.http.post("/events?component=a&x=1", json=EVENT)
    assert set(parameters(problem(response, 422))) == {"component", "x"}


# --- the query ---------------------------------------------------------------------------------


def test_an_unknown_filter_is_refused_with_the_nearest_known_one(running: Service) -> None:
    found = problem(running.http.get("/events?componnent=a&enviroment=b"), 422)
    details = parameters(found)
    assert "did you mean component?" in details["componnent"]
    assert "did you mean environment?" in details["enviroment"]


@pytest.mark.parametrize("limit", ["0", "1001", "x", "-1", "1.5", "1e2", "9" * 500, "١"])
def test_a_limit_out_of_bounds_is_refused_with_the_bounds(running: Service, limit: str) -> None:
    found = problem(running.http.get("/events", params={"limit": limit}), 422)
    assert "1 to 1000" in parameters(found)["limit"]


@pytest.mark.parametrize("name", ["from_date", "to_date"])
@pytest.mark.parametrize("date", ["yesterday", "13-45-2021", "2021-02-30", "1e9", "\u0661"])
def test_an_invalid_date_is_refused_with_the_accepted_forms(
    running: Service, name: str, date: str
) -> None:
    found = problem(running.http.get("/events", params={name: date}), 422)
    assert "MM-DD-YYYY" in parameters(found)[name]


def test_every_fault_of_a_query_is_listed_at_once(running: Service) -> None:
    query = "limit=0&order=up&cursor=x&from_date=x&data=[]&data..=1&x=1&message=%00&email=%ff"
    found = problem(running.http.get(f"/events?{query}"), 422)
    assert set(parameters(found)) == {
        *("limit", "order", "cursor", "from_date", "data", "data..", "x", "message", "email")
    }


# --- paths and methods -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        *("/event", "//events", "/events//", "/api/api/events", "/apievents"),
        *("/api//events", "/events/a/b", "/EVENTS", "/health/live", "/events%2Fa%2Fb", "/%00"),
    ],
)
def test_an_unknown_path_is_answered_with_the_known_ones(running: Service, path: str) -> None:
    with Raw(running) as raw:
        raw.send(request(b"", b"GET", path.encode()))
        answer = raw.answer("GET")
        found = document(answer.status, answer.headers, answer.body, 404)
        assert "/events/{id}" in found["detail"]


@pytest.mark.parametrize(
    "event_id",
    [
        UNKNOWN_ID,
        "9b2d4b4c-5a40-4f0e-8d3c-2f1f6f0c9a11",
        "00000000-0000-0000-0000-000000000000",
        "00000000-0000-7000-8000-000000000000",
        "ffffffff-ffff-7fff-bfff-ffffffffffff",
        "e7791f70-8000-7000-8000-000000000000",
        "1",
        "x" * 5000,
        "%00",
        "a%00b",
        "%ff",
        "%F0%9F%98%80",
        "..",
        "'; drop table events; --",
    ],
)
@pytest.mark.parametrize("prefix", [b"/events/", b"/api/events/"])
def test_an_id_that_no_event_has_is_not_found(
    running: Service, prefix: bytes, event_id: str
) -> None:
    path = prefix + event_id.replace(" ", "%20").encode()
    with Raw(running) as raw:
        raw.send(request(b"", b"GET", path))
        answer = raw.answer("GET")
        document(answer.status, answer.headers, answer.body, 404)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "TRACE"])
@pytest.mark.parametrize(("path", "allowed"), ALLOWED)
def test_another_method_is_refused_with_those_allowed(
    running: Service, method: str, path: str, allowed: str
) -> None:
    response = running.http.request(method, path)
    assert f"This path supports {allowed}." in problem(response, 405)["detail"]
    assert response.headers["allow"] == allowed


def test_what_answers_get_answers_head_without_a_body(running: Service) -> None:
    for path in ("/events", "/health", "/api/health/ready/", "/openapi.json", "/docs"):
        got, head = running.http.get(path), running.http.head(path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-type"] == got.headers["content-type"]
        assert int(head.headers["content-length"]) == len(got.content)
    missing = running.http.head(f"/events/{UNKNOWN_ID}")
    assert (missing.status_code, missing.content) == (404, b"")
