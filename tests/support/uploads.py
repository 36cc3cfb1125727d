"""Make large bodies."""

import json


def upload(size: int, items: int) -> bytes:
    """Return NDJSON with that many events and at most that many bytes."""
    start = json.dumps({"component": "large", "environment": "e", "message": "m", "data": "x"})
    line = start[:-2] + "x" * (size // items - len(start) - 1) + start[-2:] + "\n"
    return line.encode() * items
