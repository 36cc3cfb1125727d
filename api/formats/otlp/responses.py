"""What OTLP clients are answered: in protobuf or JSON, as they asked. Pure."""

from collections.abc import Callable
from typing import Literal

from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message
from google.rpc import code_pb2
from google.rpc.error_details_pb2 import BadRequest
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse

from api.http.problems import Problem

MediaType = Literal["application/x-protobuf", "application/json"]
PROTOBUF: MediaType = "application/x-protobuf"
JSON: MediaType = "application/json"

_ENCODERS: dict[MediaType, Callable[[Message], bytes]] = {
    PROTOBUF: lambda message: message.SerializeToString(),
    JSON: lambda message: MessageToJson(message, indent=None).encode() + b"\n",
}

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


def accepted(media_type: MediaType, refused: int = 0, why: str = "") -> bytes:
    """ExportLogsServiceResponse; of a full success `partial_success` must not be set."""
    response = ExportLogsServiceResponse()
    if refused:
        response.partial_success.rejected_log_records = refused
        response.partial_success.error_message = why
    return _ENCODERS[media_type](response)


def failed(media_type: MediaType, problem: Problem) -> bytes:
    """google.rpc.Status; of bad data its details are a BadRequest."""
    code = _CODES.get(problem.status, code_pb2.INVALID_ARGUMENT)
    status = Status(code=code, message=problem.detail)
    if problem.status == 400:
        details = BadRequest()
        details.field_violations.add(field="body", description=problem.detail)
        status.details.add().Pack(details)
    return _ENCODERS[media_type](status)
