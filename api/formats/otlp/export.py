"""Read a request of OTLP logs: the events to accept, and the refused records. Pure."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from api.formats.native_fast import EventIn, parse
from api.formats.native_validate import validate
from api.formats.otlp.budget import Budget, Budgets
from api.formats.otlp.encodings import Encoding
from api.formats.otlp.records import Refused
from api.http.problems import Problem

_MAX_REASONS = 5
_MAX_REASON_CHARACTERS = 200  # of each


class Bounds(NamedTuple):
    """The limits of one request. `kept_bytes`: of all events, each with its resource and scope."""

    records: int
    record_bytes: int
    kept_bytes: int


@dataclass
class Export:
    """The content of one request: `events` to accept, and the `refused` records with `reasons`."""

    events: list[EventIn] = field(default_factory=list)
    records: int = 0  # kept and refused
    kept_bytes: int = 0
    refused: int = 0
    refused_by_reason: Counter[str] = field(default_factory=Counter)  # named as for the metrics
    reasons: list[str] = field(default_factory=list)

    def why(self) -> str:
        """Return the first reasons, each with the record's index in the request, from 0."""
        shown = "; ".join(self.reasons)
        more = "; ..." if self.refused > len(self.reasons) else ""
        return f"{self.refused} of {self.records} log records were not kept: {shown}{more}"

    def refuse(self, index: int, why: str, reason: str = "invalid") -> None:
        """Count a record that can't be kept."""
        self.refused += 1
        self.refused_by_reason[reason] += 1
        if len(self.reasons) < _MAX_REASONS:
            if len(why) > _MAX_REASON_CHARACTERS:
                why = why[: _MAX_REASON_CHARACTERS - 1] + "…"
            self.reasons.append(f"record {index}: {why}")


def read(
    body: bytes | bytearray,
    encoding: Encoding,
    bounds: Bounds,
    refusal: Callable[[EventIn], Problem | None] = lambda event: None,
) -> Export:
    """Read the records as events. `refusal`: why the client may not post an event, if so.

    Raises Problem: 400 if the body can't be decoded, 413 if it exceeds a limit.
    """
    budgets = Budgets(bounds.records)
    texts = encoding.event_texts(body, bounds.record_bytes, budgets)
    export = Export()
    for index, text in enumerate(texts):
        if index == bounds.records:
            raise Problem(413, f"The request has more than {bounds.records} log records.")
        export.records += 1
        if isinstance(text, Refused):
            export.refuse(index, str(text))
            continue
        export.kept_bytes += len(text)
        if export.kept_bytes > bounds.kept_bytes:
            raise Problem(413, f"As events the log records have over {bounds.kept_bytes} bytes.")
        _add(export, index, text, bounds.record_bytes, budgets.faults, refusal)
    return export


def _add(
    export: Export,
    index: int,
    text: bytes,
    event_bytes: int,
    faults: Budget,
    refusal: Callable[[EventIn], Problem | None],
) -> None:
    """Add the event if it is valid: every event follows the same rules."""
    if len(text) > event_bytes:
        why = f"as an event it has {len(text)} bytes; at most {event_bytes} are kept"
        export.refuse(index, why, "too_large")
        return
    try:
        event = parse(text) or validate(text, event_bytes)
    except Problem as problem:
        faults.take(len(problem.faults))
        details = (f"{fault.pointer} {fault.detail}" for fault in problem.faults)
        export.refuse(index, f"as an event, {', '.join(details)}")
        return
    if outside := refusal(event):
        export.refuse(index, outside.detail, "forbidden")
    else:
        event.data = event.data.copy()  # a slice would keep the whole text in memory
        export.events.append(event)
