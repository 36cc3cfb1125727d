"""An OpenTelemetry log record, in whatever encoding it was sent, and its event. Pure."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from math import isfinite, isnan
from typing import Any, NamedTuple, ParamSpec, TypeVar

import msgspec

from api.formats.schemas import EMAIL_CHARACTERS, is_email

UNKNOWN_SERVICE = "unknown_service"  # the name that SDKs use (semantic conventions, service.name)
NO_ENVIRONMENT = "default"
NO_MESSAGE = "(no message)"

# For each field of an event, its attributes in order: the first that is set and not blank is taken.
# `component` and `environment` come from the resource, `email` from the record.
FIELDS = {
    "component": ("service.name",),
    "environment": ("deployment.environment.name", "deployment.environment"),  # the older name
    "email": ("user.email", "enduser.id"),  # any name, perhaps an address
}
_EVENT_NAME = ("event.name",)  # the older way, before records had a field for it


class Refused(Exception):
    """A record, resource or scope can't be kept; the text says why."""


T = TypeVar("T")
P = ParamSpec("P")


def attempt(make: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | Refused:
    """Return the result of `make`, or the Refused that it raises."""
    try:
        return make(*args, **kwargs)
    except Refused as refused:
        return refused


class Source(NamedTuple):
    """The common part of the records of one resource; `resource` is JSON."""

    component: str
    environment: str
    resource: msgspec.Raw | None


class Record(NamedTuple):
    """A log record as sent. Zero and empty mean unset, as in protobuf."""

    time_ns: int
    observed_ns: int
    severity_number: int
    severity_text: str
    body: Any
    attributes: dict[str, Any]
    dropped_attributes: int
    flags: int
    trace_id: bytes
    span_id: bytes
    event_name: str


class Described(NamedTuple):
    """A resource, or a scope with its name and version, as sent."""

    attributes: dict[str, Any]
    dropped_attributes: int
    name: str = ""
    version: str = ""


def source_of(resource: Described, schema_url: str) -> Source:
    """Map a resource: its part of the event is the same for all its records."""
    return Source(
        _first(resource.attributes, FIELDS["component"]) or UNKNOWN_SERVICE,
        _first(resource.attributes, FIELDS["environment"]) or NO_ENVIRONMENT,
        described(resource, schema_url),
    )


def described(sent: Described, schema_url: str) -> msgspec.Raw | None:
    """Return a resource or a scope as JSON; None if nothing in it is set."""
    parts = {
        "name": sent.name,
        "version": sent.version,
        "attributes": sent.attributes,
        "dropped_attributes_count": sent.dropped_attributes,
        "schema_url": schema_url,
    }
    known = {name: value for name, value in parts.items() if value}
    return msgspec.Raw(msgspec.json.encode(known)) if known else None


def event_text(source: Source, scope: msgspec.Raw | None, record: Record) -> bytes:
    """Return the record as the JSON of an event, by the tables of docs/formats.md."""
    message = _message(record)
    body = {} if record.body is None or record.body == message else {"body": record.body}
    rest = {
        "time": _time(record.time_ns),
        "observed_time": _time(record.observed_ns),
        "severity_number": record.severity_number,
        "severity_text": record.severity_text,
        "event_name": record.event_name,
        "attributes": record.attributes,
        "dropped_attributes_count": record.dropped_attributes,
        "trace_id": _id(record.trace_id, 16),
        "span_id": _id(record.span_id, 8),
        "flags": record.flags,
        "scope": scope,
        "resource": source.resource,
    }
    event = {
        "component": source.component,
        "environment": source.environment,
        "message": message,
        "email": _email(record.attributes),
        "data": body | {name: value for name, value in rest.items() if value},
    }
    if nanoseconds := record.time_ns or record.observed_ns:
        event["occurred_at"] = _time(nanoseconds)
    return msgspec.json.encode(event)


def _message(record: Record) -> str:
    if _is_filled(record.body):
        return str(record.body)
    if _is_filled(record.event_name):
        return record.event_name
    if name := _first(record.attributes, _EVENT_NAME):
        return name
    if record.body is not None and not isinstance(record.body, str):
        return msgspec.json.encode(record.body).decode()
    return record.severity_text if _is_filled(record.severity_text) else NO_MESSAGE


def _email(attributes: Mapping[str, Any]) -> str | None:
    """Return the first valid address; an invalid one is no reason to refuse a record."""
    for name in FIELDS["email"]:
        value = attributes.get(name)
        if isinstance(value, str) and len(value) <= EMAIL_CHARACTERS and is_email(value):
            return value
    return None


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _time(nanoseconds: int) -> str | None:
    """Return RFC 3339 with nine digits, so that texts sort as times do. 64 bits end in 2554."""
    if not nanoseconds:
        return None
    seconds, fraction = divmod(nanoseconds, 1_000_000_000)
    moment = _EPOCH + timedelta(seconds=seconds)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{fraction:09}Z"


def _id(sent: bytes, size: int) -> str | None:
    """Return the id in hexadecimal; None for another length or all zeros (invalid in OTLP)."""
    return sent.hex() if len(sent) == size and any(sent) else None


def of_float(value: float) -> float | str:
    """Return a double as JSON has it (protobuf's JSON mapping)."""
    if isfinite(value):
        return value
    return "NaN" if isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _first(attributes: Mapping[str, Any], names: Sequence[str]) -> str | None:
    values = (attributes.get(name) for name in names)
    return next((value for value in values if _is_filled(value)), None)


def _is_filled(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())
