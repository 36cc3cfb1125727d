"""Send a request with one bad part in every format: the good parts are accepted."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.service import Service
from tests.support.hostile import EVENT, fuzz

DEEP = b"[" * 20_000 + b"]" * 20_000
# replaces a value, so that the item can't become an event
BAD = (
    *(rb'"cut \ud83d"', rb'"\ude00\ud83d"', rb'"\u0000"', b'"\xff"', b'"\xed\xa0\xbd"', rb'"\q"'),
    *(b'"a\tb"', b"NaN", b"-Infinity", b"1e999", b"9" * 5_000, b"01", b"[1,]", b"nul", DEEP),
    b'"%b"' % (b"x" * 300_000),
)
GOOD = (b"1", b'"a"', rb'"\ud83d\ude00 \\ud83d \" [{"', b'{"a":[null,1.50]}')


def event(value: bytes) -> bytes:
    return json.dumps(EVENT).encode()[:-1] + b',"data":%b}' % value


def cloud_event(value: bytes) -> bytes:
    return b'{"specversion":"1.0","id":"1","source":"/s","type":"t","data":%b}' % value


def array(values: list[bytes]) -> bytes:
    return b"[%b]" % b",".join(map(event, values))


FORMATS: dict[str, tuple[str, Callable[[list[bytes]], bytes]]] = {
    "NDJSON": ("application/x-ndjson", lambda values: b"\n".join(map(event, values))),
    "an array": ("application/json", array),
    "an object with an array": (
        "application/json",
        lambda values: b'{"events":%b}' % array(values),
    ),
    "CloudEvents": (
        "application/cloudevents-batch+json",
        lambda values: b"[%b]" % b",".join(map(cloud_event, values)),
    ),
}
values = st.lists(st.sampled_from([*GOOD, *BAD]), max_size=5)


@pytest.mark.parametrize("name", FORMATS)
def test_a_bad_item_of_a_batch_does_not_affect_a_good_one(running: Service, name: str) -> None:
    media_type, encode = FORMATS[name]

    @fuzz(40)
    @given(values, st.integers(0, 5))
    def costs_no_other(sent: list[bytes], at: int) -> None:
        sent = [*sent[:at], GOOD[0], *sent[at:]]  # at least one; else nothing is accepted
        answer = running.http.post(
            "/events/batch", content=encode(sent), headers={"content-type": media_type}
        )
        assert answer.status_code == 202, answer.text
        results = answer.json()["results"]
        assert ["id" in result for result in results] == [value in GOOD for value in sent]

    costs_no_other()


def export(*groups: bytes) -> dict[str, Any]:
    return {
        "url": "/v1/logs",
        "content": b'{"resourceLogs":[%b]}' % b",".join(groups),
        "headers": {"content-type": "application/json"},
    }


def test_an_unpaired_surrogate_rejects_one_log_record_and_not_the_export(running: Service) -> None:
    texts = (b"first", rb"cut \ud83d", b"third")
    records = b",".join(b'{"body":{"stringValue":"%b"}}' % text for text in texts)
    named = b'{"attributes":[{"key":"service.name","value":{"stringValue":"half-emoji"}}]}'
    group = b'{"resource":%b,"scopeLogs":[{"logRecords":[%b]}]}' % (named, records)
    answer = running.http.post(**export(group))
    assert answer.status_code == 200
    partial = answer.json()["partialSuccess"]
    assert partial["rejectedLogRecords"] == "1"
    assert "record 1: " in partial["errorMessage"]
    assert "half of a surrogate pair" in partial["errorMessage"]
