"""The access log: a record for each answer, or for a share of them. It is off unless it is set.

Where an answer is counted, it is recorded too. Until then nothing is kept for it but what the
metrics need, so it costs nothing while it is off.
"""

import logging
import secrets
from time import perf_counter_ns
from typing import Any, NamedTuple

from api.http.headers import Headers, header_values
from storage.logs.request_id import RequestId

MAX_PATH_CHARACTERS = 1024
_ERROR = 500  # such answers are recorded whatever the share

log = logging.getLogger(__name__)


class Answered(NamedTuple):
    """A request and its answer. `method` and `path` are empty if no head was read.

    `size`: bytes of the body, None if unknown. `start_ns`: when the last byte of the request came
    (`perf_counter_ns`), 0 before. `client`: its address and port, None if it has none.
    """

    method: str
    path: str
    status: int
    size: int | None
    start_ns: int
    request: RequestId
    client: tuple[str, int] | None


class AccessLog:
    """What is recorded: one of `every` answers, none for 0, and with any other number each error.

    Ask `every` before making an `Answered`.
    """

    def __init__(self) -> None:
        self.every = 0

    def start(self, every: int) -> None:
        """Record one of `every` answers from now on."""
        self.every = every
        log.setLevel(logging.INFO)  # whatever the level of other records

    def record(self, answered: Answered) -> None:
        """Record the answer, if it is one of the share. Never the query, and no header."""
        if answered.status < _ERROR and self.every > 1 and secrets.randbelow(self.every):
            return
        fields = _fields(answered)
        message = "{method} {path} {status}, {duration_ms} ms, {bytes} bytes, from {client}"
        shown = message.format_map({"bytes": "unknown", "client": "a local client", **fields})
        log.info("%s", shown, extra={"fields": fields, "request_id": answered.request})


def _fields(answered: Answered) -> dict[str, Any]:
    taken = perf_counter_ns() - answered.start_ns if answered.start_ns else 0
    fields: dict[str, Any] = {
        "method": answered.method or "-",
        "path": answered.path[:MAX_PATH_CHARACTERS] or "-",
        "status": answered.status,
        "duration_ms": round(taken / 1e6, 3),
    }
    if answered.size is not None:
        fields["bytes"] = answered.size
    if answered.client is not None:
        fields["client"] = answered.client[0]
    return fields


def announced_size(method: str, headers: Headers) -> int | None:
    """Return the bytes of the body that follows these headers, None if they do not tell."""
    values = header_values(headers, b"content-length")
    if method == "HEAD":
        return 0
    return int(values[0]) if values else None


access_log = AccessLog()
