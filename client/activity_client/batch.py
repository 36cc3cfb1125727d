"""What is sent in one request. Pure."""

import gzip
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

GZIP_FROM_BYTES = 4 * 1024
_GZIP_LEVEL = 1  # most of the gain for a fraction of the time


class Request(NamedTuple):
    """The headers and the body, the same at each try."""

    headers: Mapping[str, str]
    body: bytes


class Batch:
    """Events that are sent together, under a key by which the service counts them once.

    `lines`: each event's JSON, without a line feed. `key`: 1 to 255 printable ASCII characters.
    """

    def __init__(self, key: str, lines: Sequence[bytes]) -> None:
        self.key = key
        self.lines = lines

    @cached_property
    def request(self) -> Request:
        """Made once, so that a retry is the first try byte for byte."""
        body = b"\n".join(self.lines)
        headers = {"Content-Type": "application/x-ndjson", "Idempotency-Key": self.key}
        if len(body) >= GZIP_FROM_BYTES:
            body = gzip.compress(body, _GZIP_LEVEL, mtime=0)
            headers["Content-Encoding"] = "gzip"
        return Request({**headers, "Content-Length": str(len(body))}, body)

    def halves(self) -> tuple["Batch", "Batch"]:
        """Two batches with keys of their own, which follow from this one's."""
        middle = len(self.lines) // 2
        return (
            Batch(f"{self.key}.0", self.lines[:middle]),
            Batch(f"{self.key}.1", self.lines[middle:]),
        )
