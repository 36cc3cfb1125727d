"""Responses to OTLP clients, in the encoding of the request. Pure."""

from google.rpc import code_pb2
from google.rpc.error_details_pb2 import BadRequest
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse

from api.formats.otlp.encodings import Encoding
from api.http.problems import Problem

# google/rpc/code.proto names an HTTP status for each code. Clients go by the HTTP status.
_CODES = {
    401: code_pb2.UNAUTHENTICATED,
    403: code_pb2.PERMISSION_DENIED,
    408: code_pb2.DEADLINE_EXCEEDED,
    409: code_pb2.ABORTED,
    429: code_pb2.RESOURCE_EXHAUSTED,
    500: code_pb2.INTERNAL,
    503: code_pb2.UNAVAILABLE,
}


def accepted(encoding: Encoding, refused: int = 0, why: str = "") -> bytes:
    """Return an ExportLogsServiceResponse, with `partial_success` only if records were refused."""
    response = ExportLogsServiceResponse()
    if refused:
        response.partial_success.rejected_log_records = refused
        response.partial_success.error_message = why
    return encoding.encode(response)


def failed(encoding: Encoding, problem: Problem) -> bytes:
    """Return a google.rpc.Status; its details are a BadRequest if the body is malformed."""
    code = _CODES.get(problem.status, code_pb2.INVALID_ARGUMENT)
    status = Status(code=code, message=problem.detail)
    if problem.status == 400:
        details = BadRequest()
        details.field_violations.add(field="body", description=problem.detail)
        status.details.add().Pack(details)
    return encoding.encode(status)
