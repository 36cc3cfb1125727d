"""Every input format, by the media type that names it and the path that takes it.

To add a format, write its module and add a line to a table here. The routes, the answers to other
media types and the request bodies of the OpenAPI document follow from the tables.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Literal, NamedTuple, Protocol, TypeVar

from fastapi import Request

from api.formats import hints, native
from api.formats.cloudevents import schema as cloudevents
from api.formats.cloudevents.binary import binary_reader, is_binary
from api.formats.cloudevents.structured import BATCH, STRUCTURED, structured_reader
from api.formats.event_reader import EventReader, Schema
from api.formats.hints import NDJSON
from api.formats.native import native_reader
from api.formats.native_fast import EventIn
from api.formats.native_import import import_reader
from api.formats.otlp import encodings as otlp
from api.http.answer import JSON
from api.http.json_scan import without_bom
from api.http.media_type import media_type
from api.http.problems import Problem

_ReaderFactory = Callable[[int], EventReader]  # from the bytes that one event may have


class EventFormat(NamedTuple):
    """A media type of `POST /events`."""

    media_type: str
    schema: Schema
    reader: _ReaderFactory


class BatchFormat(NamedTuple):
    """A media type of `POST /events/batch`: an array in JSON, or an item on each line."""

    media_type: str
    schema: Schema
    reader: _ReaderFactory
    framing: Literal["array", "lines"]


def _single(reader: _ReaderFactory) -> _ReaderFactory:
    """Accept a byte order mark, and add a hint if the body looks like many events."""

    def hinted(max_bytes: int) -> EventReader:
        found = reader(max_bytes)

        def validate(body: bytes) -> EventIn:
            try:
                return found.validate(without_bom(body))
            except Problem as problem:
                raise problem.with_hint(hints.for_event(body)) from None

        return replace(found, validate=validate)

    return hinted


class _Format(Protocol):
    @property
    def media_type(self) -> str: ...


_AnyFormat = TypeVar("_AnyFormat", bound=_Format)


def _by_media_type(formats: Iterable[_AnyFormat]) -> dict[str, _AnyFormat]:
    return {found.media_type: found for found in formats}


EVENTS = _by_media_type(
    (
        EventFormat(JSON, native.EVENT, _single(native_reader)),
        EventFormat(STRUCTURED, cloudevents.EVENT, _single(structured_reader)),
    )
)
BATCHES = _by_media_type(
    (
        BatchFormat(JSON, native.BATCH, native_reader, "array"),
        BatchFormat(NDJSON, native.LINES, native_reader, "lines"),
        BatchFormat(BATCH, cloudevents.BATCH, structured_reader, "array"),
    )
)
IMPORTS = {kind: BATCHES[kind]._replace(reader=import_reader) for kind in (JSON, NDJSON)}
LOGS = _by_media_type((otlp.PROTOBUF, otlp.JSON))

_TABLES: Mapping[str, Iterable[str]] = {
    "/events": EVENTS,
    "/events/batch": BATCHES,
    "/v1/logs": LOGS,
}


def event_reader(request: Request, max_bytes: int) -> EventReader:
    """Return the reader of a request to `/events`. Raises Problem 415 for an unknown format.

    A CloudEvent in binary mode is known by its headers: its media type is that of its data.
    """
    headers = request.scope["headers"]
    if is_binary(headers):
        return binary_reader(headers, max_bytes)
    return EVENTS[_media_type(request, "/events")].reader(max_bytes)


def batch_format(request: Request) -> BatchFormat:
    """Return the format of a request to `/events/batch`. Raises Problem 415 for an unknown one."""
    return BATCHES[_media_type(request, "/events/batch")]


def import_format(found: BatchFormat) -> BatchFormat:
    """Return the format of an import in this media type. Raises Problem 415 if there is none."""
    if found.media_type not in IMPORTS:
        raise Problem(415, f"An import is in {' or '.join(IMPORTS)}.")
    return IMPORTS[found.media_type]


def log_encoding(request: Request) -> otlp.Encoding:
    """Return the encoding of a request to `/v1/logs`. Raises Problem 415 for an unknown one."""
    return LOGS[_media_type(request, "/v1/logs")]


def _media_type(request: Request, path: str) -> str:
    return media_type(request, *_TABLES[path], elsewhere=_ELSEWHERE[path])


# For each path, the hint for each media type that another path takes.
_ELSEWHERE: Mapping[str, Mapping[str, str]] = {
    path: {
        kind: f"{kind} is posted to {other}."
        for other, table in _TABLES.items()
        for kind in table
        if other != path
    }
    for path in _TABLES
}
