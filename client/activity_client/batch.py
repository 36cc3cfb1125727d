"""Build the request of one batch. Pure."""

import gzip
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

GZIP_FROM_BYTES = 4 * 1024
_GZIP_LEVEL = 1  # most of the compression for a fraction of the time


class Request(NamedTuple):
    """The headers and the body, the same for every retry."""

    headers: Mapping[str, str]
    body: bytes


class Batch:
    """Events that are sent together, under a key that makes the service store them once.

    Args:
        key: The Idempotency-Key: 1 to 255 printable ASCII characters.
        lines: The JSON of each event, without a line feed.

    `maybe_taken` counts the requests by which the service may have taken the events, including
    those in flight.
    """

    def __init__(self, key: str, lines: Sequence[bytes]) -> None:
        self.key = key
        self.lines = lines
        self.maybe_taken = 0

    @cached_property
    def request(self) -> Request:
        """Build the request once, so that every retry sends the same bytes."""
        body = b"\n".join(self.lines)
        headers = {"Content-Type": "application/x-ndjson", "Idempotency-Key": self.key}
        if len(body) >= GZIP_FROM_BYTES:
            body = gzip.compress(body, _GZIP_LEVEL, mtime=0)
            headers["Content-Encoding"] = "gzip"
        return Request({**headers, "Content-Length": str(len(body))}, body)

    def halves(self) -> tuple["Batch", "Batch"]:
        """Return two batches, whose keys are derived from this one's."""
        middle = len(self.lines) // 2
        return (
            Batch(f"{self.key}.0", self.lines[:middle]),
            Batch(f"{self.key}.1", self.lines[middle:]),
        )
