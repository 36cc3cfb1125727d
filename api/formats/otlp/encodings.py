"""The encodings of OTLP/HTTP: protobuf and JSON, for requests and responses. Pure."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message

from api.formats.event_reader import Schema
from api.formats.otlp import json, protobuf, schemas
from api.formats.otlp.budget import Budgets
from api.formats.otlp.records import Refused


class Encoding(NamedTuple):
    """A media type of `POST /v1/logs`.

    `event_texts` yields each record of a body as the JSON of an event, or why it is refused; it
    takes the body, the bytes that a record may have, and the budgets of the request.
    `encode` serialises a response.
    """

    media_type: str
    event_texts: Callable[[bytes | bytearray, int, Budgets], Iterator[bytes | Refused]]
    encode: Callable[[Message], bytes]
    request_schema: Schema
    response_schema: Schema
    error_schema: Schema


def _to_json(message: Message) -> bytes:
    return MessageToJson(message, indent=None).encode() + b"\n"


PROTOBUF = Encoding(
    "application/x-protobuf",
    protobuf.event_texts,
    lambda message: message.SerializeToString(),
    *(schemas.BYTES,) * 3,
)
JSON = Encoding(
    "application/json",
    json.event_texts,
    _to_json,
    schemas.REQUEST,
    schemas.RESPONSE,
    schemas.STATUS,
)
