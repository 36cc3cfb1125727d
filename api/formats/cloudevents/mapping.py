"""Map a CloudEvent to an event, and report faults in the places of what was sent. Pure.

A CloudEvent becomes the JSON text of an event, with the whole CloudEvent as its `data`. That text
is then read as every posted event is.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from api.formats.event_reader import EventReader
from api.formats.native_fast import EventIn, parse
from api.formats.native_validate import validate
from api.formats.occurred_at import canonical_instant
from api.formats.offload import LARGE_BODY
from api.formats.validation_problem import is_truncated, validation_problem
from api.http.error_detail import ErrorDetail
from api.http.problems import Problem

# For each field of an event, its attributes in order: the first that is set and not blank is taken.
FIELDS = {
    "component": ("component", "type"),
    "environment": ("environment", "source"),
    "message": ("message", "subject", "type"),
    "email": ("email",),
}
_PLACEHOLDER = "-"  # for a required field whose attributes are all missing: that is a fault anyway


@dataclass(frozen=True, slots=True)
class MappedEvent:
    """The event that a CloudEvent becomes, as JSON, and the faults of the CloudEvent itself.

    `origins` maps JSON pointers into the event to where that part was sent: a JSON pointer into the
    request's body, or the name of a header.
    """

    body: bytes
    origins: Mapping[str, str]
    faults: Sequence[ErrorDetail] = ()

    def parse(self, max_bytes: int) -> EventIn | None:
        """Return the event if it is plainly good."""
        return None if self.faults or len(self.body) > max_bytes else parse(self.body)

    def validate(self, max_bytes: int) -> EventIn:
        """Return the event. Raises Problem: 413 above `max_bytes`, 422 with every fault."""
        if len(self.body) > max_bytes:
            detail = f"As an event this has {len(self.body)} bytes; at most {max_bytes} are kept."
            raise Problem(413, detail)
        if event := self.parse(max_bytes):
            return event
        try:
            event = validate(self.body, max_bytes)
        except Problem as problem:
            raise _relocate_all(problem, self) from None
        if self.faults:
            raise validation_problem(self.faults)
        return event


def mapping_reader(map_event: Callable[[bytes], MappedEvent], max_bytes: int) -> EventReader:
    """Return the reader of what `map_event` maps to events of at most `max_bytes`."""

    def parse_mapped(body: bytes) -> EventIn | None:
        if len(body) > LARGE_BODY:
            return None
        try:
            return map_event(body).parse(max_bytes)
        except Problem:
            return None

    return EventReader(parse_mapped, lambda body: map_event(body).validate(max_bytes))


def map_fields(
    attributes: Mapping[str, Any], origin_of: Callable[[str], str]
) -> tuple[dict[str, str | None], dict[str, str]]:
    """Return an event's fields except `data`, and the origin of each.

    `origin_of` returns the origin of the attribute of that name.
    """
    fields: dict[str, str | None] = {}
    origins: dict[str, str] = {}
    for field, names in FIELDS.items():
        filled = [name for name in names if _as_string(attributes.get(name)).strip()]
        name = filled[0] if filled else names[-1]
        fields[field] = _as_string(attributes.get(name)) or _PLACEHOLDER
        origins[f"/{field}"] = origin_of(name)
        if field == "email" and not filled:
            fields[field] = None
    if instant := _instant(attributes.get("time")):
        fields["occurred_at"] = instant
        origins["/occurred_at"] = origin_of("time")
    return fields, origins


def _instant(time: Any) -> str | None:
    """Return the attribute `time` as an event keeps it; None for what it can't be, as year 0."""
    try:
        return canonical_instant(_as_string(time))
    except ValueError:
        return None


def event_text(fields: Mapping[str, str | None], data: bytes) -> bytes:
    """Return an event as JSON, with `data` as sent. A lone surrogate stays one, to be refused."""
    return b'%s,"data":%s}' % (json.dumps(fields).encode()[:-1], data)


def fault_at(origin: str, detail: str) -> ErrorDetail:
    """Return a fault at one of the `origins` of a MappedEvent."""
    if not origin or origin.startswith("/"):
        return ErrorDetail(detail, pointer=origin)
    return ErrorDetail(detail, header=origin)


def _as_string(value: Any) -> str:
    """Return an attribute's canonical string encoding, so that every mode gives the same event.

    The string is empty for an unset attribute, and for a value that no attribute can have.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str) else ""


def _relocate_all(problem: Problem, mapped: MappedEvent) -> Problem:
    """Return the CloudEvent's faults and those of the problem, in the places of what was sent."""
    faults = dict.fromkeys(mapped.faults)
    in_data = [fault for fault in problem.faults if _pointer(fault).startswith("/data")]
    faults.update(dict.fromkeys(_relocate(fault, mapped.origins) for fault in in_data))
    for fault in problem.faults:
        relocated = _relocate(fault, mapped.origins)
        if fault not in in_data and relocated not in faults:
            faults[_name_field(fault, relocated)] = None
    return validation_problem(list(faults), more=is_truncated(problem))


def _relocate(fault: ErrorDetail, origins: Mapping[str, str]) -> ErrorDetail:
    known, rest = _pointer(fault), ""
    while known not in origins:
        known, _, last = known.rpartition("/")
        rest = f"/{last}{rest}"
    return fault_at(origins[known] + rest, fault.detail)


def _name_field(fault: ErrorDetail, relocated: ErrorDetail) -> ErrorDetail:
    """Name the event's field: an attribute may be valid, and invalid as the field it becomes."""
    field = _pointer(fault).removeprefix("/")
    same_name = (relocated.pointer or "").removeprefix("/") == field
    if same_name or relocated.header == f"ce-{field}":
        return relocated
    return replace(relocated, detail=f"as the event's {field}: {fault.detail}")


def _pointer(fault: ErrorDetail) -> str:
    assert fault.pointer is not None  # every fault of a body has a place in it
    return fault.pointer
