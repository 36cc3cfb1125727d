"""OTLP logs: from a request's body to the events to accept, and the records refused. Pure."""

from dataclasses import dataclass, field
from typing import NamedTuple

from api.formats.native_fast import EventIn, parse
from api.formats.native_validate import validate
from api.formats.otlp.budget import Budget, Budgets
from api.formats.otlp.encodings import Encoding
from api.formats.otlp.records import Refused
from api.http.problems import Problem

_MAX_REASONS = 5
_MAX_CHARACTERS = 200  # of each


class Bounds(NamedTuple):
    """Of one request. What it tells once of a resource is kept with each record: hence the last."""

    records: int
    record_bytes: int
    kept_bytes: int


@dataclass
class Export:
    """What one request holds."""

    events: list[EventIn] = field(default_factory=list)
    records: int = 0  # whatever becomes of the events
    kept_bytes: int = 0
    refused: int = 0
    reasons: list[str] = field(default_factory=list)

    def why(self) -> str:
        """The first reasons, each with the record's index in the request, from 0."""
        shown = "; ".join(self.reasons)
        more = "; ..." if self.refused > len(self.reasons) else ""
        return f"{self.refused} of {self.records} log records were not kept: {shown}{more}"

    def refuse(self, index: int, why: str) -> None:
        """Count a record that can't be kept."""
        self.refused += 1
        if len(self.reasons) < _MAX_REASONS:
            short = why if len(why) <= _MAX_CHARACTERS else why[: _MAX_CHARACTERS - 1] + "…"
            self.reasons.append(f"record {index}: {short}")


def read(body: bytes | bytearray, encoding: Encoding, most: Bounds) -> Export:
    """The records as events. Raises Problem 400 for what can't be decoded, 413 for too much."""
    budgets = Budgets(most.records)
    texts = encoding.event_texts(body, most.record_bytes, budgets)
    export = Export()
    for index, text in enumerate(texts):
        if index == most.records:
            raise Problem(413, f"The request has more than {most.records} log records.")
        export.records += 1
        if isinstance(text, Refused):
            export.refuse(index, str(text))
            continue
        export.kept_bytes += len(text)
        if export.kept_bytes > most.kept_bytes:
            raise Problem(413, f"As events the log records have over {most.kept_bytes} bytes.")
        _add(export, index, text, most.record_bytes, budgets.faults)
    return export


def _add(export: Export, index: int, text: bytes, event_bytes: int, faults: Budget) -> None:
    """Keep the event, if it is one that can be kept: the same is asked of every event."""
    if len(text) > event_bytes:
        export.refuse(
            index, f"as an event it has {len(text)} bytes; at most {event_bytes} are kept"
        )
        return
    try:
        event = parse(text) or validate(text, event_bytes)
    except Problem as problem:
        faults.take(len(problem.faults))
        told = (f"{fault.pointer} {fault.detail}" for fault in problem.faults)
        export.refuse(index, f"as an event, {', '.join(told)}")
    else:
        event.data = event.data.copy()  # as a part of the text it would keep all of it
        export.events.append(event)
