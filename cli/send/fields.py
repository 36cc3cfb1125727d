"""Find and put values in the fields of an event, by paths such as `data.user.age`. Pure."""

from collections.abc import Mapping
from typing import Any

import msgspec

Fields = Mapping[str, msgspec.Raw]

read_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def find(fields: Fields, source: str) -> msgspec.Raw | None:
    """Return the value of a field, or of one within it; None if there is none."""
    if source in fields:
        return fields[source]
    head, _, rest = source.partition(".")
    if not rest or head not in fields:
        return None
    try:
        return find(read_fields(fields[head]), rest)
    except msgspec.DecodeError:
        return None


def put(event: dict[str, Any], target: str, value: msgspec.Raw) -> None:
    """Put the value where the target says; an object on the way keeps its other fields."""
    *path, name = target.split(".")
    place = event
    for step in path:
        inner = place.get(step)
        if isinstance(inner, msgspec.Raw):
            try:
                inner = dict(read_fields(inner))
            except msgspec.DecodeError:  # no object: both must not be dropped
                event[target] = value
                return
        place[step] = inner = {} if inner is None else inner
        place = inner
    place[name] = value
