"""Parts of requests, and what the paths of the service allow."""

import json
from typing import Any

import httpx

from testbed.service import Service

EVENT = {"component": "orders", "environment": "production", "message": "shipped"}
BODY = json.dumps(EVENT).encode()
JSON = b"Content-Type: application/json"
UNKNOWN_ID = "0199a3c0-1111-7222-8333-444455556666"


def length(body: bytes) -> bytes:
    return b"Content-Length: %d" % len(body)


def parameters(found: dict[str, Any]) -> dict[str, str]:
    return {error["parameter"]: error["detail"] for error in found["errors"]}


def post(running: Service, content: bytes = BODY, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return running.http.post("/events", content=content, headers=named)


ALLOWED = [
    ("/events", "GET, HEAD, POST, OPTIONS"),
    ("/api/events/", "GET, HEAD, POST, OPTIONS"),
    (f"/events/{UNKNOWN_ID}", "GET, HEAD, OPTIONS"),
    ("/events/batch", "POST, OPTIONS"),
    ("/api/events/batch/", "POST, OPTIONS"),
    ("/v1/logs", "POST, OPTIONS"),
    ("/health", "GET, HEAD, OPTIONS"),
    ("/health/ready", "GET, HEAD, OPTIONS"),
    ("/status", "GET, HEAD, OPTIONS"),
    ("/openapi.json", "GET, HEAD, OPTIONS"),
    ("/docs", "GET, HEAD, OPTIONS"),
]
