"""Bound what large uploads take: memory, and time that others wait."""

import gzip
import socket

import pytest

from testbed.service import Service
from tests.support.bounds import within_bounds
from tests.support.problems import problem
from tests.support.raw_http import Raw, request
from tests.support.uploads import upload

MIB = 1024 * 1024
NDJSON = {"content-type": "application/x-ndjson"}
HEAD = (b"POST", b"/events/batch", b"Content-Type: application/x-ndjson")


@pytest.mark.parametrize("items", [10_000, 70])
@pytest.mark.parametrize("packed", [False, True])
def test_sixteen_mebibytes_are_accepted_within_bounds(
    running: Service, items: int, packed: bool
) -> None:
    body = upload(16 * MIB, items)
    headers = NDJSON | ({"content-encoding": "gzip"} if packed else {})
    content = gzip.compress(body, 1) if packed else body
    with within_bounds(running):
        answer = running.http.post("/events/batch", content=content, headers=headers)
        assert answer.json()["accepted"] == items


def test_a_batch_with_only_invalid_items_is_answered_within_bounds(running: Service) -> None:
    deep = b'{"a":' * 60 + b"[%b]" % b",".join([b'"\\u0000"'] * 30) + b"}" * 60
    with within_bounds(running):
        answer = running.http.post("/events/batch", content=(deep + b"\n") * 9_999, headers=NDJSON)
        found = problem(answer, 422)
        assert found["rejected"] == 9_999
        assert len(answer.content) < 16 * MIB


@pytest.mark.parametrize("dense", [b"[],", b"1,", b'"",', b"{},"])
def test_a_dense_array_is_refused_within_bounds(running: Service, dense: bytes) -> None:
    body = dense * (16 * MIB // len(dense) - 10)
    json_type = {"content-type": "application/json"}
    with within_bounds(running):
        for content in (b"[" + body + b"1]", b"[[" + body + b"1]]"):
            answer = running.http.post("/events/batch", content=content, headers=json_type)
            assert answer.status_code in (413, 422)


def test_an_upload_that_is_cut_off_accepts_nothing(running: Service) -> None:
    before = running.http.get("/status").json()["conservation"]["accepted"]
    body = upload(2 * MIB, 1_000)
    with Raw(running) as raw:
        raw.send(request(body[:-1000], *HEAD, b"Content-Length: %d" % len(body)))
        raw.socket.shutdown(socket.SHUT_WR)
        assert raw.answer().status == 400
        assert raw.is_closed()
    assert running.http.get("/status").json()["conservation"]["accepted"] == before


@pytest.mark.parametrize("blank", [b"\n", b" \r\n", b"\t" * 300_000 + b"\n"])
def test_endless_blank_lines_block_nobody(running: Service, blank: bytes) -> None:
    body = gzip.compress(blank * (16 * MIB // len(blank)))
    packed = NDJSON | {"content-encoding": "gzip"}
    with within_bounds(running, 8 * MIB):
        for _ in range(3):
            answer = running.http.post("/events/batch", content=body, headers=packed)
            assert answer.status_code in (413, 422)


@pytest.mark.parametrize("dense", [b"[", b"[{},", b'{"":', b'{"":"","":[],'])
def test_items_that_never_end_time_out(running: Service, dense: bytes) -> None:
    body = gzip.compress(b"[" + dense * (16 * MIB // len(dense) - 1))
    packed = {"content-type": "application/json", "content-encoding": "gzip"}
    with within_bounds(running, 48 * MIB):
        answer = running.http.post("/events/batch", content=body, headers=packed)
        assert answer.status_code in (400, 413)
