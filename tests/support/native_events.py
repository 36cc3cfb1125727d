"""Events as they are posted, and how the service refuses a bad one."""

import json
from typing import Any

import pytest

from api.formats.native_fast import EventIn, parse, parse_many
from api.formats.native_validate import validate
from api.http.problems import Problem

LIMIT = 256 * 1024
GOOD: dict[str, Any] = {
    "component": "billing",
    "environment": "production",
    "message": "Invoice 1042 was paid",
    "email": "jo@example.com",
    "data": {"invoice": 1042, "amount": 12.5},
}
HASH = "12e4567890abcdef12e4567890abcdef12e45678"


def with_data(data: bytes) -> bytes:
    """Return a body whose `data` is that text, to the byte."""
    return b'{"component":"a","environment":"b","message":"c","data":' + data + b"}"


def body(**changes: Any) -> bytes:
    """Return a good body with these changes."""
    return json.dumps({**GOOD, **changes}).encode()


def refusal(posted: bytes, status: int = 422, limit: int = LIMIT) -> Problem:
    """Return the Problem that explains why it is refused; `parse` does not take it either."""
    assert parse(posted) is None is parse_many([body(), posted])
    assert parse_many([posted, body()]) is None
    with pytest.raises(Problem) as caught:
        validate(posted, limit)
    assert caught.value.status == status
    return caught.value


def pointers(posted: bytes) -> list[str | None]:
    return [fault.pointer for fault in refusal(posted).faults]


def verdict(posted: bytes) -> EventIn | Problem:
    """Return what `validate` makes of it."""
    try:
        return validate(posted, LIMIT)
    except Problem as problem:
        return problem
