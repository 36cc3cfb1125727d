"""Compare the dead letters at the end with what the faults did."""

import json
from collections import Counter

import sqlalchemy as sa

from tests.faults.chaos.compare import Numbered
from tests.faults.chaos.record import Record
from tests.faults.chaos.stack import Stack

_QUERY = "SELECT CAST(id AS text), event FROM dead_letters"


def dead_letters(stack: Stack) -> tuple[list[Numbered], list[bytes]]:
    """Return the dead letters that are events, and the bytes of the others."""
    events: list[Numbered] = []
    others: list[bytes] = []
    with stack.database() as connection:
        for event_id, event in connection.execute(sa.text(_QUERY)):
            try:
                events.append((event_id, json.loads(bytes(event))["data"]["n"]))
            except (ValueError, LookupError, TypeError):
                others.append(bytes(event))
    return events, others


def misplaced_letters(record: Record, events: list[Numbered], others: list[bytes]) -> list[str]:
    """Require dead letters of acknowledged guilty events and of garbage, and of nothing else."""
    dead, numbers = {event_id for event_id, _ in events}, record.guilty_numbers
    missing, added = Counter(record.garbage), Counter(others)
    return [
        *(f"guilty {i} (n {n}) is no dead letter" for i, n in record.guilty if i not in dead),
        *(f"{i} (n {n}) is dead without guilt" for i, n in events if n not in numbers),
        *(f"garbage {raw!r} is no dead letter" for raw in (missing - added).elements()),
        *(f"dead letter {raw!r} is not what was added" for raw in (added - missing).elements()),
    ]
