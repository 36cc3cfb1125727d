"""A line that can't be made into an event: it carries the reason to where lines are sent. Pure.

It begins with a byte that no JSON begins with. So such a line in a file is never sent either.
"""

import json

from activity_client.answers import ProblemDocument

_MARK = b"\x1f"


def faulty_line(detail: str, line: bytes) -> bytes:
    """Return the line, marked with the reason why it must not be sent."""
    return _MARK + json.dumps(detail).encode() + _MARK + line


def fault_of(line: bytes) -> tuple[ProblemDocument, bytes] | None:
    """Return the reason and the line itself; None for a line without a mark."""
    if not line.startswith(_MARK):
        return None
    said, mark, rest = line[len(_MARK) :].partition(_MARK)
    try:
        detail = json.loads(said) if mark else None
    except ValueError:
        return None
    if not isinstance(detail, str):
        return None
    plain = "".join(one if one.isprintable() else "\ufffd" for one in detail)
    return {"status": 422, "detail": plain}, rest
