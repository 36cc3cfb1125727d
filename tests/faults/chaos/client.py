"""Send one request at a time to the service, each on a new connection, with a short timeout."""

import http.client
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

PATIENCE_SECONDS = 2.0


@dataclass(frozen=True)
class Answer:
    """An answer; status 0 means none."""

    status: int
    cache: str = ""
    body: bytes = b""

    def json(self) -> Any:
        """Decode the body."""
        return json.loads(self.body)


def get(port: int, path: str, **query: object) -> Answer:
    """Send a GET."""
    return _ask(port, "GET", f"{path}?{urlencode(query)}" if query else path, None)


def post(port: int, event: dict[str, object]) -> Answer:
    """Post an event."""
    return _ask(port, "POST", "/events", json.dumps(event).encode())


def _ask(port: int, method: str, path: str, body: bytes | None) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        return Answer(response.status, response.headers.get("x-cache", ""), response.read())
    except (OSError, http.client.HTTPException):
        return Answer(0)
    finally:
        connection.close()
