"""Any OTLP request: protobuf and JSON become the same events, without loss."""

import base64
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from api.formats.otlp import export as otlp
from api.formats.otlp.encodings import JSON, PROTOBUF, Encoding
from api.http.problems import Problem
from tests.support.otlp_requests import BOUNDS, data, encoded, log_record, only, read, request

texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | texts
    | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
maps = st.dictionaries(texts, values, max_size=3)
stamps = st.integers(0, 2**64 - 1)
words = st.integers(0, 2**32 - 1)
records = st.builds(
    log_record,
    values,
    maps,
    time_unix_nano=stamps,
    observed_time_unix_nano=stamps,
    severity_number=st.integers(0, 24),
    severity_text=texts,
    dropped_attributes_count=words,
    flags=words,
    trace_id=st.binary(min_size=16, max_size=16) | st.binary(max_size=20),
    span_id=st.binary(min_size=8, max_size=8) | st.binary(max_size=20),
    event_name=texts,
)
requests = st.builds(
    lambda records, resource, scope: request(*records, of_resource=resource, of_scope=scope),
    st.lists(records, max_size=3),
    maps,
    maps,
)


def as_kept(value: Any) -> Any:
    """Return what JSON keeps of a value."""
    match value:
        case bytes():
            return base64.b64encode(value).decode()
        case float() if not math.isfinite(value):
            return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        case list():
            return [as_kept(item) for item in value]
        case dict():
            return {name: as_kept(item) for name, item in value.items()}
    return value


@settings(max_examples=200, deadline=None)
@given(requests)
def test_protobuf_and_json_become_the_same_events(sent: ExportLogsServiceRequest) -> None:
    one, other = read(sent, PROTOBUF), read(sent, JSON)
    assert one.refused == other.refused == 0, one.why()
    for this, that in zip(one.events, other.events, strict=True):
        assert this == that
        assert bytes(this.data) == bytes(that.data)


@settings(max_examples=200, deadline=None)
@given(maps, values)
@pytest.mark.parametrize("encoding", [JSON, PROTOBUF])
def test_attributes_and_bodies_come_out_as_they_went_in(
    encoding: Encoding, attributes: dict[str, Any], body: Any
) -> None:
    event = only(log_record(body, attributes), encoding)
    kept = data(event)
    assert kept.get("attributes", {}) == as_kept(attributes)
    assert kept.get("body") == as_kept(body) or event.message == as_kept(body)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60), requests, st.integers(0, 200), st.sampled_from([JSON, PROTOBUF]))
def test_any_bytes_are_taken_or_refused(
    junk: bytes, sent: ExportLogsServiceRequest, at: int, encoding: Encoding
) -> None:
    whole = encoded(sent, encoding)
    for body in (junk, whole[:at] + junk + whole[at:], whole[:at]):
        try:
            otlp.read(body, encoding, BOUNDS)
        except Problem as problem:
            status = problem.status
            assert status == 400
