"""Name the option of `activity import` that may help a rejected line. Pure."""

import msgspec

from activity_client.answers import ProblemDocument
from cli.send.chunks import Rejected
from cli.send.fields import read_fields
from cli.send.times import remedy

_POINTER = "/created_at"


def with_hint(line: Rejected) -> Rejected:
    """Return the line with a hint in its problem, if its `created_at` was refused."""
    if not _blames_time(line.problem):
        return line
    try:
        value = read_fields(line.original).get("created_at")
    except msgspec.DecodeError:
        return line
    hint = remedy(value) if value is not None else None
    if hint is None:
        return line
    faults = [
        {**fault, "detail": f"{fault.get('detail', 'is invalid')} ({hint})"}
        if fault.get("pointer") == _POINTER
        else fault
        for fault in line.problem["errors"]
    ]
    return line._replace(problem={**line.problem, "errors": faults})


def _blames_time(problem: ProblemDocument) -> bool:
    faults = problem.get("errors")
    if not isinstance(faults, list) or not all(isinstance(fault, dict) for fault in faults):
        return False
    return any(fault.get("pointer") == _POINTER for fault in faults)
