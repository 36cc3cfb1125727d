"""Post many events in one request: each has a result, and the valid ones are on disk."""

import gzip
import json
from typing import Any
from uuid import uuid4

import httpx
import pytest

from testbed.service import Service
from tests.support.problems import problem
from tests.support.raw_http import Raw, request

NDJSON = {"content-type": "application/x-ndjson"}
JSON = {"content-type": "application/json"}
Items = list[dict[str, Any]]


def event(message: str, **more: Any) -> dict[str, Any]:
    return {"component": "orders", "environment": "production", "message": message, **more}


def lines(items: Items) -> bytes:
    return b"".join(json.dumps(item).encode() + b"\n" for item in items)


def post(
    running: Service, content: bytes, headers: dict[str, str] = NDJSON, **query: str
) -> httpx.Response:
    return running.http.post("/events/batch", content=content, headers=headers, params=query)


def stored(running: Service, component: str) -> list[dict[str, Any]]:
    """Return every event of that component, oldest first."""
    found: list[dict[str, Any]] = []
    query = {"component": component, "order": "asc", "limit": "1000"}
    while True:
        page = running.http.get("/events", params=query).json()
        found += page["events"]
        if page["next_cursor"] is None:
            return found
        query["cursor"] = page["next_cursor"]


def test_ten_thousand_items_with_seventeen_bad_ones(running: Service) -> None:
    bad = {number * 577 + 3 for number in range(17)}
    items = [
        {**event(f"number {number}"), "component": "" if number in bad else "seventeen"}
        for number in range(10_000)
    ]
    answer = post(running, lines(items), ack="stored")
    assert answer.status_code == 201
    found = answer.json()
    assert (found["accepted"], found["rejected"]) == (9_983, 17)
    errors = {
        index: result["error"] for index, result in enumerate(found["results"]) if "error" in result
    }
    assert set(errors) == bad
    for index, error in errors.items():
        assert (error["index"], error["line"], error["status"]) == (index, index + 1, 422)
        assert [fault["pointer"] for fault in error["errors"]] == ["/component"]
    messages = [one["message"] for one in stored(running, "seventeen")]
    assert messages == [item["message"] for number, item in enumerate(items) if number not in bad]


@pytest.mark.parametrize("form", ["array", "object", "lines", "lines with CR LF and blank ones"])
def test_every_form_of_a_batch_is_taken_and_kept_in_its_order(running: Service, form: str) -> None:
    component = f"form {form}"
    items = [event(f"message {number}", component=component) for number in range(50)]
    body = {
        "array": json.dumps(items).encode(),
        "object": json.dumps({"events": items}, indent=2).encode(),
        "lines": lines(items)[:-1],
        "lines with CR LF and blank ones": b"\n" + lines(items).replace(b"\n", b"\r\n \r\n"),
    }[form]
    headers = NDJSON if form.startswith("lines") else JSON
    answer = post(running, body, headers, ack="stored")
    assert answer.status_code == 201
    assert answer.headers["activity-ack"] == "stored"
    results = answer.json()["results"]
    assert {result["receipt"] for result in results} == {"stored"}
    found = stored(running, component)
    assert [one["message"] for one in found] == [item["message"] for item in items]
    assert [one["id"] for one in found] == [result["id"] for result in results]
    assert len({one["created_at"] for one in found}) == 1


def test_the_result_of_each_item_lists_its_own_errors(running: Service) -> None:
    good = json.dumps(event("good")).encode()
    bad = [
        (b"{", 400),
        (b'{"component":"\xff"}', 400),
        (b"17", 422),
        (b'{"component":"a","environment":"b","message":"c","data":NaN}', 422),
        (b'{"component":"a","environment":"b","message":"%b"}' % (b"x" * 262_144), 413),
        (b"[" * 200 + b"]" * 200, 422),
    ]
    body = b"\n".join(line for item, _ in bad for line in (item, good))
    answer = post(running, body)
    assert answer.status_code == 202
    results = answer.json()["results"]
    assert [("id" in result) for result in results] == [False, True] * len(bad)
    for number, (result, (_, status)) in enumerate(zip(results[::2], bad, strict=True)):
        error = result["error"]
        assert (error["status"], error["index"]) == (status, 2 * number)
        assert error["line"] == 2 * number + 1


def test_when_no_item_is_good_nothing_is_accepted_and_all_verdicts_are_given(
    running: Service,
) -> None:
    found = problem(post(running, b'[{"component":"a"},3]', JSON), 422)
    assert found["detail"] == "None of the 2 items is a valid event."
    assert (found["accepted"], found["rejected"]) == (0, 2)
    assert [result["error"]["status"] for result in found["results"]] == [422, 422]


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"", NDJSON, 422),
        (b"\n \r\n", NDJSON, 422),
        (b"[]", JSON, 422),
        (b'{"events":[]}', JSON, 422),
        (b'{"event":[{}]}', JSON, 422),
        (b'{"events":[{}],"more":1}', JSON, 422),
        (b"3", JSON, 422),
        (b"[{},", JSON, 400),
        (b"[{}] x", JSON, 400),
        (b"", JSON, 400),
        (b"\xff", JSON, 400),
        (b"[{}]", {"content-type": "text/plain"}, 415),
        (b"[{}]", {}, 415),
    ],
)
def test_a_body_that_is_not_a_batch_is_refused_completely(
    running: Service, body: bytes, headers: dict[str, str], status: int
) -> None:
    problem(post(running, body, headers), status)


def test_an_atomic_batch_is_all_or_none(running: Service) -> None:
    mixed = [event("one", component="atomic"), {"component": "atomic"}, event("three")]
    found = problem(post(running, lines(mixed), atomic="true"), 422)
    assert found["detail"] == "1 of 3 items are invalid and the batch is atomic: none was accepted."
    assert [result["error"]["status"] for result in found["results"]] == [424, 422, 424]
    assert (found["accepted"], found["rejected"]) == (0, 3)
    good = [event("one", component="atomic"), event("two", component="atomic")]
    assert post(running, lines(good), atomic="true", ack="stored").status_code == 201
    assert [one["message"] for one in stored(running, "atomic")] == ["one", "two"]


def test_a_dry_run_gives_the_verdicts_and_stores_nothing(running: Service) -> None:
    before = running.http.get("/status").json()["conservation"]["accepted"]
    mixed = [event("one", component="dry"), {"component": "dry"}]
    answer = post(running, lines(mixed), dry_run="true")
    assert answer.status_code == 200
    found = answer.json()
    assert (found["accepted"], found["rejected"], found["dry_run"]) == (1, 1, True)
    assert found["results"][0] == {"valid": True}
    assert found["results"][1]["error"]["index"] == 1
    assert running.http.get("/status").json()["conservation"]["accepted"] == before


def test_options_that_are_not_understood_are_all_named(running: Service) -> None:
    url = "/events/batch?atomc=true&dry_run=yes&ack=disk&ack=stored"
    answer = running.http.post(url, content=lines([event("x")]), headers=NDJSON)
    told = {fault["parameter"]: fault["detail"] for fault in problem(answer, 422)["errors"]}
    assert set(told) == {"atomc", "dry_run", "ack"}
    assert "did you mean atomic?" in told["atomc"]
    assert told["dry_run"] == "must be true or false"


# --- limits, while reading -----------------------------------------------------------------------


def test_more_items_than_the_limit_are_refused_whole(running: Service) -> None:
    before = running.http.get("/status").json()["conservation"]["accepted"]
    body = lines([event("x")] * 10_001)
    assert "10000 events" in problem(post(running, body), 413)["detail"]
    assert (
        "10000 events" in problem(post(running, b"[" + b"1," * 99_999 + b"1]", JSON), 413)["detail"]
    )
    assert running.http.get("/status").json()["conservation"]["accepted"] == before


def test_a_gzip_bomb_is_refused_at_its_limit(running: Service) -> None:
    bomb = gzip.compress(b" " * 500_000_000, 6)
    assert len(bomb) < 1_000_000
    answer = post(running, bomb, {**NDJSON, "content-encoding": "gzip"})
    assert "16777216 bytes" in problem(answer, 413)["detail"]
    answer = running.http.post(
        "/events", content=bomb, headers={**JSON, "content-encoding": "gzip"}
    )
    assert "262144 bytes" in problem(answer, 413)["detail"]


def test_a_batch_too_large_is_refused_while_its_client_still_sends(running: Service) -> None:
    with Raw(running) as raw:
        head = request(
            b"",
            b"POST",
            b"/events/batch",
            b"Content-Type: application/x-ndjson",
            b"Transfer-Encoding: chunked",
        )
        raw.send(head)
        chunk = b"10000\r\n" + b" " * 65_536 + b"\r\n"
        for _ in range(257):
            raw.send(chunk)
        assert raw.answer().status == 413


# --- gzip ----------------------------------------------------------------------------------------


def test_gzipped_bodies_are_taken_everywhere(running: Service) -> None:
    packed = {"content-encoding": "gzip"}
    items = [event(f"packed {number}", component="packed") for number in range(100)]
    half = gzip.compress(lines(items[:50])) + gzip.compress(lines(items[50:])) + b"\0" * 10
    assert post(running, half, NDJSON | packed, ack="stored").json()["accepted"] == 100
    one = gzip.compress(json.dumps(event("alone")).encode())
    answer = running.http.post("/events", content=one, headers=JSON | packed)
    assert (answer.status_code, answer.json()["message"]) == (202, "alone")


@pytest.mark.parametrize(
    ("body", "coding", "status", "detail"),
    [
        (b"no gzip", "gzip", 400, "not gzip"),
        (gzip.compress(b"[]")[:-3], "gzip", 400, "is incomplete"),
        (b"", "gzip", 400, "is incomplete"),
        (gzip.compress(b"[]") + b"something else", "gzip", 400, "not gzip"),
        (gzip.compress(b"") * 1001, "gzip", 400, "more than 1000 members"),
        (gzip.compress(gzip.compress(b"[]")), "gzip, gzip", 415, "with gzip"),
        (b"[]", "br", 415, "its coding is br"),
    ],
    ids=["plain", "cut off", "nothing", "more behind", "very many", "twice", "another"],
)
def test_what_cannot_be_unpacked_is_refused(
    running: Service, body: bytes, coding: str, status: int, detail: str
) -> None:
    answer = post(running, body, JSON | {"content-encoding": coding})
    assert detail in problem(answer, status)["detail"]
    assert (answer.headers.get("accept-encoding") == "gzip") == (status == 415)


# --- retries -------------------------------------------------------------------------------------


def test_a_batch_sent_again_with_its_key_counts_once_and_is_answered_the_same(
    running: Service,
) -> None:
    mixed = [event(f"{n}", component="again") for n in range(20)] + [{"component": "again"}]
    headers = NDJSON | {"idempotency-key": str(uuid4())}
    first = post(running, lines(mixed), headers)
    again = post(running, gzip.compress(lines(mixed)), headers | {"content-encoding": "gzip"})
    assert first.status_code == again.status_code == 202
    assert first.json() == again.json()
    other = post(running, lines(mixed[1:]), headers)
    assert "Idempotency-Key" in problem(other, 422)["errors"][0]["header"]
    waited = post(running, lines(mixed), headers, ack="stored")
    assert waited.status_code == 201
    assert [one["message"] for one in stored(running, "again")] == [f"{n}" for n in range(20)]


def test_a_dry_run_or_a_refused_batch_uses_up_no_key(running: Service) -> None:
    headers = NDJSON | {"idempotency-key": str(uuid4())}
    post(running, lines([event("tried")]), headers, dry_run="true")
    problem(post(running, b"{}", headers), 422)
    assert post(running, lines([event("meant")]), headers).status_code == 202


def test_a_batch_is_posted_and_nothing_else(running: Service) -> None:
    answer = running.http.get("/events/batch")
    assert "This path supports POST" in problem(answer, 405)["detail"]
    assert answer.headers["allow"] == "POST, OPTIONS"
