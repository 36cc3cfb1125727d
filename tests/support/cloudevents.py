"""A good CloudEvent in both modes, and the faults of a bad one."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from api.formats.cloudevents.binary import map_binary
from api.formats.cloudevents.mapping import MappedEvent
from api.formats.cloudevents.structured import map_structured
from api.formats.native_fast import EventIn
from api.http.problems import Problem

LIMIT = 256 * 1024
GOOD: dict[str, Any] = {
    "specversion": "1.0",
    "id": "A234-1234-1234",
    "source": "/mycontext",
    "type": "com.example.someevent",
}
BINARY = [(f"ce-{name}".encode(), value.encode()) for name, value in GOOD.items()]
JSON = (b"content-type", b"application/json")


def text(**changes: Any) -> bytes:
    """Return a CloudEvent in JSON; what is None is left out."""
    event = {**GOOD, **changes}
    return json.dumps({name: value for name, value in event.items() if value is not None}).encode()


def headers(*more: tuple[bytes, bytes], without: str = "") -> list[tuple[bytes, bytes]]:
    """Return a CloudEvent's headers."""
    return [header for header in BINARY if header[0] != f"ce-{without}".encode()] + list(more)


def refused(mapped: MappedEvent, limit: int = LIMIT) -> Problem:
    with pytest.raises(Problem) as caught:
        mapped.validate(limit)
    return caught.value


def pointers(sent: bytes) -> dict[str | None, str]:
    """Return what is wrong with a structured one, by place."""
    problem = refused(map_structured(sent))
    assert problem.status == 422
    return {fault.pointer: fault.detail for fault in problem.faults}


def named(sent: list[tuple[bytes, bytes]], body: bytes = b"") -> dict[str | None, str]:
    """Return what is wrong with one in binary mode, by header."""
    problem = refused(map_binary(sent, body))
    assert problem.status == 422
    return {fault.header or f"pointer {fault.pointer}": fault.detail for fault in problem.faults}


def verdict(event: Callable[[], EventIn]) -> EventIn | Problem:
    """Return what is made of it."""
    try:
        return event()
    except Problem as problem:
        return problem


def data_of(event: EventIn) -> Any:
    return json.loads(bytes(event.data), parse_float=Decimal)
