"""CloudEvents 1.0 in the JSON format: a structured one, or an item of a batch. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from api.formats.cloudevents.attributes import Number, fault_of_base64, faults_of_attributes
from api.formats.cloudevents.mapping import (
    MappedEvent,
    event_text,
    fault_at,
    map_fields,
    mapping_reader,
)
from api.formats.event_reader import EventReader
from api.formats.json_document import (
    Members,
    decode_utf8,
    pointer,
    pointer_to_too_deep,
    read_json,
)
from api.formats.validation_problem import validation_problem
from api.http.error_detail import ErrorDetail
from storage.model.json_rules import MAX_JSON_DEPTH, is_too_deep

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"

_DATA = ("data", "data_base64")


def structured_reader(max_bytes: int) -> EventReader:
    """Return the reader of CloudEvents that become events of at most `max_bytes`."""
    return mapping_reader(map_structured, max_bytes)


def map_structured(body: bytes) -> MappedEvent:
    """Return the event of a CloudEvent in the JSON format: `data` is the text that was sent.

    Raises Problem: 400 if the body is not JSON, 422 if it is not an object or nested too deep.
    """
    text = decode_utf8(body)
    if is_too_deep(body, MAX_JSON_DEPTH):
        detail = f"is nested deeper than {MAX_JSON_DEPTH - 1} levels"
        place = pointer_to_too_deep(text, MAX_JSON_DEPTH)
        raise validation_problem([ErrorDetail(detail, pointer=place)])
    members = read_json(text, Number, Number)
    if not isinstance(members, Members):
        raise validation_problem([ErrorDetail("must be a JSON object: a CloudEvent", pointer="")])
    attributes = {name: value for name, value in members if name not in _DATA}
    fields, origins = map_fields(attributes, _pointer_to)
    faults = [fault_at(_pointer_to(name), detail) for name, detail in _faults(members, attributes)]
    return MappedEvent(event_text(fields, body), origins | {"/data": ""}, faults)


def _pointer_to(name: str) -> str:
    return pointer((name,))


def _faults(members: Members, attributes: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the name of each faulty member, and what is wrong with it."""
    yield from faults_of_attributes(attributes)
    for name, count in Counter(name for name, _ in members).items():
        if count > 1:
            yield name, "is given more than once"
    data = dict(members)
    if data.get("data_base64") is not None:
        if "data" in data:
            yield "data_base64", "can't be given beside data"
        if detail := fault_of_base64(data["data_base64"]):
            yield "data_base64", detail
