"""The answers to OTLP requests, in the encoding of the request."""

import json

import pytest
from google.protobuf.json_format import Parse
from google.rpc.error_details_pb2 import BadRequest
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse

from api.formats.otlp.encodings import JSON, PROTOBUF
from api.formats.otlp.responses import accepted, failed
from api.http.problems import Problem


def test_a_full_success_is_an_empty_response() -> None:
    assert accepted(PROTOBUF) == b""
    assert accepted(JSON) == b"{}\n"


def test_a_partial_success_has_the_count_and_the_reason() -> None:
    response = ExportLogsServiceResponse.FromString(accepted(PROTOBUF, 3, "why"))
    assert response.partial_success.rejected_log_records == 3
    assert response.partial_success.error_message == "why"
    assert json.loads(accepted(JSON, 3, "why")) == {
        "partialSuccess": {"rejectedLogRecords": "3", "errorMessage": "why"}
    }


@pytest.mark.parametrize(
    ("status", "code"), [(400, 3), (408, 4), (413, 3), (429, 8), (500, 13), (503, 14)]
)
def test_a_failure_is_a_status_in_the_encoding_asked_for(status: int, code: int) -> None:
    problem = Problem(status, "What is wrong.")
    sent = Status.FromString(failed(PROTOBUF, problem))
    assert (sent.code, sent.message) == (code, "What is wrong.")
    assert Parse(failed(JSON, problem), Status()) == sent
    assert len(sent.details) == (status == 400)
    if status == 400:
        details = BadRequest()
        assert sent.details[0].Unpack(details)
        assert details.field_violations[0].description == "What is wrong."
