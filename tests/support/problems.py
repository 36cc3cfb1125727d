"""Check what every error answer of the service has in common."""

import json
import re
from typing import Any

import httpx

INSIDE = re.compile(r"Traceback|\.py|psycopg|sqlalchemy|redis|valkey|File \"|socket", re.IGNORECASE)
IS_REQUEST_ID = re.compile(r"[0-9a-f]{32}").fullmatch


def problem(response: httpx.Response, status: int) -> dict[str, Any]:
    """Return the problem document of an answer; assert that it shows no internals."""
    return document(response.status_code, response.headers, response.content, status)


def without_id(response: httpx.Response) -> dict[str, Any]:
    """Return the problem document but for the id of its request, which differs each time."""
    found: dict[str, Any] = response.json()
    assert found.pop("request_id")
    return found


def document(status: int, headers: Any, content: bytes, expected: int) -> dict[str, Any]:
    assert status == expected, content
    assert headers["content-type"] == "application/problem+json"
    assert not INSIDE.search(content.decode())
    found: dict[str, Any] = json.loads(content)
    assert found["status"] == expected
    assert found["title"]
    assert found["detail"]
    assert found["type"].startswith("urn:activity:problem:")
    assert IS_REQUEST_ID(found["request_id"])
    assert headers["x-request-id"] == found["request_id"]
    return found
