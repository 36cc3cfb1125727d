"""CloudEvents 1.0 in the JSON format, one of them or an item of a batch. Pure.

A CloudEvent becomes the JSON text of one of our events, with the whole CloudEvent as its `data`;
that text goes the way of every posted event. What is wrong with it is told in the places of what
was sent.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from api.formats.cloudevents.attributes import Number, fault_of_base64, faults_of_attributes
from api.formats.event_reader import EventReader
from api.formats.json_document import (
    Members,
    decode_utf8,
    pointer,
    pointer_to_too_deep,
    read_json,
)
from api.formats.native_fast import EventIn, parse
from api.formats.native_validate import validate
from api.formats.offload import LARGE_BODY
from api.formats.validation_problem import is_truncated, validation_problem
from api.http.error_detail import ErrorDetail
from api.http.problems import Problem
from storage.model.json_rules import MAX_JSON_DEPTH as DEPTH
from storage.model.json_rules import is_too_deep

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"

# An event's fields, and the attributes each is taken from: the first that is there and not blank.
FIELDS = {
    "component": ("component", "type"),
    "environment": ("environment", "source"),
    "message": ("message", "subject", "type"),
    "email": ("email",),
}
_DATA = ("data", "data_base64")
_STANDS_FOR_WHAT_IS_MISSING = "-"


@dataclass(frozen=True, slots=True)
class Mapped:
    """The event a CloudEvent becomes, as JSON, and what is wrong with the CloudEvent itself.

    `places` has for pointers into the event where that part of it was sent: a JSON pointer into
    the body, or the name of a header.
    """

    body: bytes
    places: Mapping[str, str]
    faults: Sequence[ErrorDetail] = ()

    def plain(self, limit: int) -> EventIn | None:
        """The event if it is good at first sight."""
        return None if self.faults or len(self.body) > limit else parse(self.body)

    def event(self, limit: int) -> EventIn:
        """The event. Raises Problem: 413 past `limit` bytes, 422 with every fault."""
        if len(self.body) > limit:
            detail = f"As an event this has {len(self.body)} bytes; at most {limit} are kept."
            raise Problem(413, detail)
        if plain := self.plain(limit):
            return plain
        try:
            event = validate(self.body, limit)
        except Problem as problem:
            raise _placed(problem, self) from None
        if self.faults:
            raise validation_problem(self.faults)
        return event


def structured(body: bytes) -> Mapped:
    """What a CloudEvent in the JSON format becomes: `data` is the very text that was sent.

    Raises Problem 400 for what is not JSON, 422 for what is no object or nested too deep.
    """
    text = decode_utf8(body)
    if is_too_deep(body, DEPTH):
        place = pointer_to_too_deep(text, DEPTH)
        raise validation_problem(
            [ErrorDetail(f"is nested deeper than {DEPTH - 1} levels", pointer=place)]
        )
    members = read_json(text, Number, Number)
    if not isinstance(members, Members):
        raise validation_problem([ErrorDetail("must be a JSON object: a CloudEvent", pointer="")])
    attributes = {name: value for name, value in members if name not in _DATA}
    fields, places = of_attributes(attributes, _place)
    faults = [fault_at(_place(name), detail) for name, detail in _faults(members, attributes)]
    return Mapped(event_text(fields, body), places | {"/data": ""}, faults)


def structured_reader(max_bytes: int) -> EventReader:
    """Return the reader of CloudEvents in the JSON format that have at most `max_bytes`."""
    return mapping_reader(structured, max_bytes)


def mapping_reader(map_event: Callable[[bytes], Mapped], max_bytes: int) -> EventReader:
    """Return the reader of what `map_event` maps to events of at most `max_bytes`."""

    def parse_mapped(body: bytes) -> EventIn | None:
        if len(body) > LARGE_BODY:
            return None
        try:
            return map_event(body).plain(max_bytes)
        except Problem:
            return None

    return EventReader(parse_mapped, lambda body: map_event(body).event(max_bytes))


def of_attributes(
    attributes: Mapping[str, Any], place: Callable[[str], str]
) -> tuple[dict[str, str | None], dict[str, str]]:
    """An event's fields but for `data`, and where each was sent; `place` knows it by the name."""
    fields: dict[str, str | None] = {}
    places: dict[str, str] = {}
    for field, origins in FIELDS.items():
        there = [name for name in origins if _spelt(attributes.get(name)).strip()]
        origin = there[0] if there else origins[-1]
        fields[field] = _spelt(attributes.get(origin)) or _STANDS_FOR_WHAT_IS_MISSING
        places[f"/{field}"] = place(origin)
        if field == "email" and not there:
            fields[field] = None
    return fields, places


def event_text(fields: Mapping[str, str | None], data: bytes) -> bytes:
    """An event as JSON, `data` to the byte. Half a surrogate pair stays one, to be refused."""
    return b'%s,"data":%s}' % (json.dumps(fields).encode()[:-1], data)


def fault_at(place: str, detail: str) -> ErrorDetail:
    """A fault at a place of `Mapped.places`."""
    if not place or place.startswith("/"):
        return ErrorDetail(detail, pointer=place)
    return ErrorDetail(detail, header=place)


def _place(name: str) -> str:
    return pointer((name,))


def _spelt(value: Any) -> str:
    """An attribute's canonical string encoding, so that an event becomes the same in every mode.

    Empty for what is unset, and for what can't be an attribute's value.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str) else ""


def _faults(members: Members, attributes: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
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


def _placed(problem: Problem, mapped: Mapped) -> Problem:
    """The same faults, and the CloudEvent's own, in the places of what was sent."""
    told = dict.fromkeys(mapped.faults)
    of_data = [fault for fault in problem.faults if _pointer(fault).startswith("/data")]
    told.update(dict.fromkeys(_moved(fault, mapped.places) for fault in of_data))
    for fault in problem.faults:
        moved = _moved(fault, mapped.places)
        if fault not in of_data and moved not in told:
            told[_as_a_field(fault, moved)] = None
    return validation_problem(list(told), more=is_truncated(problem))


def _moved(fault: ErrorDetail, places: Mapping[str, str]) -> ErrorDetail:
    known, rest = _pointer(fault), ""
    while known not in places:
        known, _, last = known.rpartition("/")
        rest = f"/{last}{rest}"
    return fault_at(places[known] + rest, fault.detail)


def _as_a_field(fault: ErrorDetail, moved: ErrorDetail) -> ErrorDetail:
    """An attribute may be right as such, and wrong as what it becomes."""
    field = _pointer(fault).removeprefix("/")
    if (moved.pointer or "").removeprefix("/") == field or moved.header == f"ce-{field}":
        return moved
    return replace(moved, detail=f"as the event's {field}: {fault.detail}")


def _pointer(fault: ErrorDetail) -> str:
    assert fault.pointer is not None  # what is wrong with a body has a place in it
    return fault.pointer
