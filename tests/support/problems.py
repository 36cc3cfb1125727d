"""What every error answer of the service has in common."""

import json
import re
from typing import Any

import httpx

INSIDE = re.compile(r"Traceback|\.py|psycopg|sqlalchemy|redis|valkey|File \"|socket", re.IGNORECASE)


def problem(response: httpx.Response, status: int) -> dict[str, Any]:
    """The problem document of an answer that must be one, and tell nothing of the inside."""
    return document(response.status_code, response.headers, response.content, status)


def document(status: int, headers: Any, content: bytes, expected: int) -> dict[str, Any]:
    assert status == expected, content
    assert headers["content-type"] == "application/problem+json"
    assert not INSIDE.search(content.decode())
    found: dict[str, Any] = json.loads(content)
    assert found["status"] == expected
    assert found["title"]
    assert found["detail"]
    assert found["type"].startswith("urn:activity:problem:")
    return found
