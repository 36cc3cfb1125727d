"""Every size and count of an OTLP request is bounded, in both encodings."""

import json
import resource
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import ResourceLogs, ScopeLogs

from api.formats.otlp import export as otlp
from api.formats.otlp.encodings import JSON, PROTOBUF, Encoding
from api.formats.otlp.export import Export
from api.http.problems import Problem
from tests.support.otlp_requests import (
    BOTH,
    BOUNDS,
    LIMIT,
    data,
    delimited,
    encoded,
    enveloped,
    log_record,
    of_json,
    only,
    read,
    refusal,
    request,
)


@BOTH
def test_no_records_are_no_events(encoding: Encoding) -> None:
    for sent in (
        ExportLogsServiceRequest(),
        request(),
        ExportLogsServiceRequest(resource_logs=[ResourceLogs()]),
    ):
        assert read(sent, encoding) == Export()


@BOTH
def test_so_many_records_are_taken_and_not_one_more(encoding: Encoding) -> None:
    sent = request(*[log_record("m")] * BOUNDS.records)
    assert len(read(sent, encoding).events) == BOUNDS.records
    sent.resource_logs.add().scope_logs.add().log_records.add()
    problem = refusal(encoded(sent, encoding), encoding)
    assert problem.status == 413
    assert str(BOUNDS.records) in problem.detail


@BOTH
def test_what_each_record_repeats_of_its_resource_is_bounded(encoding: Encoding) -> None:
    sent = request(*[log_record("m")] * 400, of_resource={"large": "x" * 100_000})
    problem = refusal(encoded(sent, encoding), encoding)
    assert problem.status == 413
    assert "As events" in problem.detail


HUGE = 16 * 1024 * 1024
MANY = {
    "records": (delimited(1, delimited(2, delimited(2, b"") * (HUGE // 2))), PROTOBUF),
    "resources": (delimited(1, b"") * (HUGE // 2), PROTOBUF),
    "scopes": (delimited(1, delimited(2, b"") * (HUGE // 2)), PROTOBUF),
    "unknown fields": (b"\x78\x01" * (HUGE // 2), PROTOBUF),
    "values in an array": (
        enveloped(delimited(5, delimited(5, delimited(1, b"") * (HUGE // 2)))),
        PROTOBUF,
    ),
    "records in JSON": (
        b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[' + b"0," * (HUGE // 2) + b"0]}]}]}",
        JSON,
    ),
    "resources in JSON": (b'{"resourceLogs":[' + b"{}," * (HUGE // 3) + b"{}]}", JSON),
    "two million resources in JSON": (b'{"resourceLogs":[' + b"{}," * 2_000_000 + b"{}]}", JSON),
    "strings in JSON": (b'{"resourceLogs":[' + b'"",,' * (HUGE // 4) + b"]}", JSON),
    "many records of many values": (
        enveloped(*[delimited(5, delimited(5, delimited(1, b"") * 100_000))] * 64),
        PROTOBUF,
    ),
    "records of many faults": (
        enveloped(*[delimited(5, delimited(5, delimited(1, b"\x0a\x01\0") * 300))] * 9_999),
        PROTOBUF,
    ),
    "unknown values in JSON": (b'{"x":[' + b"0," * (HUGE // 2) + b"0]}", JSON),
}


@pytest.mark.parametrize("name", MANY)
def test_a_body_of_nothing_but_tiny_parts_is_refused_without_being_built(name: str) -> None:
    body, encoding = MANY[name]
    before = resource.getrusage(resource.RUSAGE_SELF)
    try:
        assert otlp.read(body, encoding, BOUNDS).refused == 1  # one record, too large
    except Problem as problem:
        refused_as_a_whole = problem.status == 413
        assert refused_as_a_whole
    after = resource.getrusage(resource.RUSAGE_SELF)
    assert after.ru_maxrss - before.ru_maxrss < 100 * 1024  # KiB
    assert after.ru_utime - before.ru_utime < 3


@BOTH
def test_a_large_resource_of_many_scopes_is_read_once(encoding: Encoding) -> None:
    sent = request(of_resource={str(number): number for number in range(4_000)})
    sent.resource_logs[0].scope_logs.extend([ScopeLogs(schema_url="x")] * 10_000)
    body = encoded(sent, encoding)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    assert not otlp.read(body, encoding, BOUNDS).records
    assert resource.getrusage(resource.RUSAGE_SELF).ru_utime - before < 3


@BOTH
def test_so_many_resources_and_scopes_are_taken_and_not_one_more(encoding: Encoding) -> None:
    sent = ExportLogsServiceRequest(resource_logs=[ResourceLogs()] * (2 * BOUNDS.records - 1))
    sent.resource_logs[-1].scope_logs.add().log_records.add()
    assert len(read(sent, encoding).events) == 1
    for one_more in (sent.resource_logs, sent.resource_logs[0].scope_logs):
        one_more.add()
        problem = refusal(encoded(sent, encoding), encoding)
        assert problem.status == 413
        assert problem.detail == "The request has more than 20000 resources and scopes."
        del one_more[-1]


FEW = BOUNDS._replace(records=10)


@BOTH
@pytest.mark.parametrize("where", ["body", "attributes", "of_resource", "of_scope"])
def test_values_are_bounded_with_those_that_each_record_repeats(
    encoding: Encoding, where: str
) -> None:
    def sent(count: int) -> bytes:
        values = {"in": list(range(count - 10)), **{str(number): 0 for number in range(5)}}
        of_record = {where: values} if where in ("body", "attributes") else {}
        of_origin = {} if of_record else {where: values}
        made = request(*[log_record(**of_record)] * 10, **of_origin)
        return encoded(made, encoding)

    assert len(otlp.read(sent(80), encoding, FEW).events) == 10
    with pytest.raises(Problem) as caught:
        otlp.read(sent(105), encoding, FEW)
    assert caught.value.status == 413
    assert caught.value.detail == "The request has more than 1000 values."


@BOTH
def test_an_array_in_arrays_costs_as_much_as_two_values(encoding: Encoding) -> None:
    body = encoded(request(log_record([[]] * 490)), encoding)
    assert len(otlp.read(body, encoding, FEW).events) == 1
    with pytest.raises(Problem):
        otlp.read(encoded(request(log_record([[]] * 510)), encoding), encoding, FEW)


@BOTH
def test_faults_are_bounded(encoding: Encoding) -> None:
    bad = log_record(["\0"] * 45)
    export = otlp.read(encoded(request(bad, bad), encoding), encoding, FEW)
    assert export.refused == 2
    with pytest.raises(Problem) as caught:
        otlp.read(encoded(request(bad, bad, bad), encoding), encoding, FEW)
    assert caught.value.status == 413
    assert caught.value.detail == "The request has more than 100 faults."


@BOTH
def test_a_schema_url_may_be_as_large_as_an_event_too(encoding: Encoding) -> None:
    sent = request(log_record("m"))
    sent.resource_logs[0].schema_url = "u" * 1_000
    assert len(read(sent, encoding).events) == 1
    sent.resource_logs[0].schema_url = "u" * (LIMIT + 1)
    assert "its schema URL has 26" in read(sent, encoding).why()
    sent.resource_logs[0].schema_url = ""
    sent.resource_logs[0].scope_logs[0].schema_url = "u" * (LIMIT + 1)
    assert "its schema URL has 26" in read(sent, encoding).why()


def test_what_stands_between_resources_scopes_and_records_is_bounded_in_json() -> None:
    most = FEW.records * 40
    for start, end in (
        (b'{"resourceLogs":[', b"]}"),
        (b'{"resourceLogs":[{"scopeLogs":[', b"]}]}"),
        (b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[', b"]}]}]}"),
    ):
        with pytest.raises(Problem) as caught:
            otlp.read(start + b"{}," * (most + 1) + b"{}" + end, JSON, FEW)
        assert caught.value.status == 413
        assert caught.value.detail == "The request has more than 400 records, scopes and resources."
    unknown = b'{"x":{"resourceLogs":[[[[[' + b"{}," * (most + 1) + b"{}" + b"]]]]]}}"
    assert not otlp.read(unknown, JSON, FEW).records


@pytest.mark.parametrize("before", [rb"\\\\", rb"\ud83d\ude00", "ü".encode(), rb"\\ud800"])
def test_half_of_a_pair_is_told_wherever_it_stands_and_nothing_else_is(before: bytes) -> None:
    for many in (1, 200_000):
        for half in (rb"\ud83d", rb"\ude00", rb"\uD83D\u0041", rb"\ud83d\ud83d"):
            assert "half of a" in refusal(b'{"x":"' + before * many + half + b'"', JSON).detail
        assert "half of a" not in refusal(b'{"x":"' + before * many + b'"', JSON).detail


def test_text_with_many_commas_is_no_reason_to_refuse() -> None:
    record = {"body": {"stringValue": "1," * 100_000}}
    body = json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [record] * 25}]}]})
    assert len(otlp.read(body.encode(), JSON, BOUNDS).events) == 25


@BOTH
def test_a_record_may_be_as_large_as_an_event(encoding: Encoding) -> None:
    fits = log_record("x" * (LIMIT - 200))
    by_itself, as_event = log_record("x" * LIMIT), log_record("\x01" * (LIMIT // 4))
    export = read(request(by_itself, fits, as_event), encoding)
    assert len(export.events) == 1
    assert "record 0: it has 2" in export.why()
    assert "record 2: as an event it has " in export.why() or encoding == JSON
    assert f"at most {LIMIT} are kept" in export.why()


@BOTH
def test_a_resource_may_be_as_large_as_an_event(encoding: Encoding) -> None:
    export = read(request(log_record("m"), of_resource={"x": "y" * LIMIT}), encoding)
    assert export.refused == 1
    assert "its resource has 2" in export.why()


@BOTH
@pytest.mark.parametrize(("kind", "levels"), [("array", 45), ("map", 31)])
def test_deep_values_are_taken(encoding: Encoding, kind: str, levels: int) -> None:
    event = only(log_record("m", {"deep": nested(kind, levels)}), encoding)
    assert data(event)["attributes"]["deep"] == nested(kind, levels)


@pytest.mark.parametrize("kind", ["array", "map"])
def test_values_nested_deeper_than_json_may_be_are_refused(kind: str) -> None:
    deep, deeper = [json_of_nested(kind, levels) for levels in (62, 63)]
    export = of_json({"body": deep})
    assert export.events[0].message
    for value in (
        deeper,
        json_of_nested(kind, 75),
        json_of_nested(kind, 200),
        json_of_nested(kind, 230),
    ):
        export = of_json({"attributes": [{"key": "a", "value": value}]})
        assert export.refused == 1
        assert "nested deeper than 64 levels" in export.why()


def nested(kind: str, levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value] if kind == "array" else {"k": value}
    return value


def json_of_nested(kind: str, levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {"intValue": 1}
    for _ in range(levels):
        if kind == "array":
            value = {"arrayValue": {"values": [value]}}
        else:
            value = {"kvlistValue": {"values": [{"key": "k", "value": value}]}}
    return value


@pytest.mark.parametrize("levels", [60, 1_000, 40_000])
def test_a_value_nested_very_deep_in_protobuf_spoils_no_other(levels: int) -> None:
    value = b"\x18\x01"
    for _ in range(levels):
        value = delimited(5, delimited(1, value))
    good = log_record("good").SerializeToString()
    export = otlp.read(
        enveloped(good, delimited(5, value)), PROTOBUF, BOUNDS._replace(record_bytes=8 * LIMIT)
    )
    assert [event.message for event in export.events] == ["good"]
    assert export.refused == 1


@BOTH
def test_names_that_are_too_long_are_told_with_the_record(encoding: Encoding) -> None:
    export = read(request(log_record("m"), of_resource={"service.name": "x" * 256}), encoding)
    assert export.why() == (
        "1 of 1 log records were not kept: "
        "record 0: as an event, /component string should have at most 255 characters"
    )


@BOTH
def test_only_the_first_reasons_are_told_and_none_at_length(encoding: Encoding) -> None:
    bad = log_record("\0" * 3, {"\0" * 300: "\0", "x": ["\0"] * 300})
    export = read(request(log_record("good"), *[bad] * 50, log_record("good")), encoding)
    assert len(export.events) == 2
    assert export.refused == 50
    why = export.why()
    assert why.startswith("50 of 52 log records were not kept: record 1: as an event, /message")
    assert "record 5:" in why
    assert "record 6:" not in why
    assert why.endswith("…; ...")
    assert len(why) < 1500
