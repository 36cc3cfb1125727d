"""OTLP in JSON is read as the protocol says; a refused record spoils no other."""

import json
from typing import Any

import pytest

from api.formats.otlp import export as otlp
from api.formats.otlp.encodings import JSON
from tests.support.otlp_requests import BOUNDS, data, of_json, refusal


def test_json_is_read_as_the_protocol_says() -> None:
    export = of_json(
        {
            "timeUnixNano": 1544712660300000000,
            "observedTimeUnixNano": "1",
            "severityNumber": 99,
            "severityText": None,
            "unknownField": {"deep": [[[]]]},
            "trace_id": "5B8EFFF798038103D269B633813FC60C",
            "spanId": "EEE19B7EC3C1B174",
            "traceId": "not hexadecimal",
            "flags": "3",
            "droppedAttributesCount": 4.0,
            "attributes": [
                {"key": "string", "value": {"intValue": "-10"}},
                {"key": "number", "value": {"intValue": 10, "stringValue": None}},
                {"key": "half", "value": {"doubleValue": "0.5"}},
                {"key": "whole", "value": {"doubleValue": 2}},
                {"key": "url-safe", "value": {"bytesValue": "-_8"}},
                {"key": "standard", "value": {"bytesValue": "+/8="}},
                {"key": "unset", "value": {}},
                {"key": "missing"},
                {"value": {"boolValue": False}},
                {"key": "none", "value": {"arrayValue": {}}},
                {"key": "snake", "value": {"string_value": "x"}},
            ],
        }
    )
    (event,) = export.events
    assert data(event) == {
        "time": "2018-12-13T14:51:00.300000000Z",
        "observed_time": "1970-01-01T00:00:00.000000001Z",
        "severity_number": 99,
        "dropped_attributes_count": 4,
        "flags": 3,
        "span_id": "eee19b7ec3c1b174",
        "attributes": {
            "string": -10,
            "number": 10,
            "half": 0.5,
            "whole": 2.0,
            "url-safe": "+/8=",
            "standard": "+/8=",
            "unset": None,
            "missing": None,
            "": False,
            "none": [],
            "snake": None,
        },
    }


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ("5", "Expected `object`, got `int`"),
        ("null", "Expected `object`, got `null`"),
        ({"severityNumber": "SEVERITY_NUMBER_INFO"}, "got `str` - at `$.severityNumber`"),
        (
            {"timeUnixNano": "yesterday"},
            "timeUnixNano in it is not an integer from 0 to 18446744073",
        ),
        ({"timeUnixNano": -1}, "timeUnixNano in it is not an integer"),
        ({"timeUnixNano": 2**64}, "timeUnixNano in it is not an integer"),
        ({"timeUnixNano": True}, "got `bool` - at `$.timeUnixNano`"),
        ({"flags": 2**32}, "flags in it is not an integer from 0 to 4294967295"),
        ({"body": {"intValue": 2**63}}, "intValue in it is not an integer"),
        ({"body": {"intValue": "9" * 5000}}, "intValue in it is not an integer"),
        ('{"body":{"intValue":%s}}' % ("9" * 5000), "out of range"),
        ({"body": {"intValue": 1.5}}, "intValue in it is not an integer"),
        ({"body": {"doubleValue": "1e999"}}, "doubleValue in it is not a 64-bit number"),
        ({"body": {"doubleValue": "0x1"}}, "doubleValue in it is not a 64-bit number"),
        ('{"body":{"doubleValue":1e999}}', "out of range"),
        ({"body": {"doubleValue": 10**400}}, "doubleValue in it is not a 64-bit number"),
        ({"body": {"bytesValue": "%"}}, "bytesValue in it is not base64"),
        ({"body": {"bytesValue": "A"}}, "bytesValue in it is not base64"),
        ({"body": {"stringValue": "a", "intValue": 1}}, "string_value, int_value"),
        ({"body": {"stringValue": "a\0b"}}, "/message contains a NUL character"),
        ({"body": {"stringValue": "😀\\ud800\0"}}, "/message contains a NUL character"),
        ({"attributes": [{"key": "\0"}]}, "its name contains a NUL character"),
        ({"attributes": {"a": 1}}, "Expected `array | null`, got `object` - at `$.attributes`"),
    ],
)
def test_a_record_that_json_can_get_wrong_is_refused_with_the_reason(
    record: dict[str, Any] | str, reason: str
) -> None:
    export = of_json(record)
    assert not export.events
    assert export.refused == 1
    assert reason in export.why()


def test_a_resource_that_can_not_be_read_refuses_its_records_and_no_others() -> None:
    good = {"scopeLogs": [{"logRecords": [{"body": {"stringValue": "good"}}]}]}
    number = {"attributes": [{"key": "n", "value": {"intValue": "x"}}]}
    bad = {"resource": number, "scopeLogs": [{"logRecords": [{}, {}]}]}
    worse = {"resource": 5, "scopeLogs": [{"logRecords": [{}]}]}
    body = json.dumps({"resourceLogs": [bad, good, worse]}).encode()
    export = otlp.read(body, JSON, BOUNDS)
    assert [event.message for event in export.events] == ["good"]
    assert export.refused == 3
    assert "record 0: of its resource, intValue in it" in export.why()
    assert "record 3: its resource can't be decoded: Expected `object | null`" in export.why()


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "truncated"),
        (b"[]", "Expected `object`, got `array`"),
        (b"null", "Expected `object`"),
        (b'{"resourceLogs":5}', "at `$.resourceLogs`"),
        (b'{"resourceLogs":[{"scopeLogs":[{"logRecords":{}}]}]}', "logRecords`"),
        (b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[]}]}],"a":NaN}', "malformed"),
        (b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"a":"\xff"}]}]}', "not UTF-8"),
        ('{"resourceLogs":[]}'.encode("utf-16"), "not UTF-8"),
        (b'{"resourceLogs":[{"resource":{"a":"\\ud800"}}]', "half of a surrogate pair"),
        (b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"a":"cut', "truncated"),
        (b'{"a":' + b"[" * 200_000, "nested too deep"),
    ],
)
def test_a_body_that_is_no_request_in_json_is_refused(body: bytes, why: str) -> None:
    problem = refusal(body, JSON)
    assert problem.status == 400
    assert why in problem.detail
