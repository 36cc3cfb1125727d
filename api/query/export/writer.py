"""Turn pages of an export into the bytes that are sent: lines of JSON or CSV, plain or gzip."""

import zlib
from collections.abc import Iterator, Sequence
from typing import Protocol

from api.query.export.csv_rows import CsvRows
from storage.model.event import decode_event

PIECE_BYTES = 64 * 1024
"""Bytes of a body that are given to the server at once: so few count as a small answer."""

_LEVEL = 1  # of gzip: the next ones take twice the time for a tenth less
_GZIP = 31  # the window of zlib, and the header of gzip


class Lines(Protocol):
    """Writes the lines of JSON of a page in the format that was asked for."""

    def head(self) -> str:
        """Return what comes before the first event."""

    def page(self, lines: Sequence[str]) -> str:
        """Return the page, each event with its line end."""


class NdjsonLines:
    """Leaves the lines as they are."""

    def head(self) -> str:
        """Return nothing."""
        return ""

    def page(self, lines: Sequence[str]) -> str:
        """Return the lines, each with its line end."""
        return "\n".join([*lines, ""])


class CsvLines:
    """Writes CSV. `has_header`: with the row that names the columns."""

    def __init__(self, columns: Sequence[str], has_header: bool) -> None:
        self._rows = CsvRows(columns)
        self._has_header = has_header

    def head(self) -> str:
        """Return the row that names the columns, if it is wanted."""
        return self._rows.header() if self._has_header else ""

    def page(self, lines: Sequence[str]) -> str:
        """Return a row for each line."""
        return self._rows.rows([decode_event(line) for line in lines])


class Writer:
    """Writes the pages of one export. Its calls take milliseconds: make them in a thread."""

    def __init__(self, lines: Lines, is_gzip: bool) -> None:
        self._lines = lines
        self._gzip = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP) if is_gzip else None
        self._head = lines.head()

    def page(self, lines: Sequence[str], is_last: bool) -> bytes:
        """Return the bytes of the next page. What is sent of them can be decompressed by itself."""
        text = (self._head + self._lines.page(lines)).encode()
        self._head = ""
        if self._gzip is None:
            return text
        end = zlib.Z_FINISH if is_last else zlib.Z_SYNC_FLUSH
        if not text and not is_last:
            return b""
        return self._gzip.compress(text) + self._gzip.flush(end)


def pieces(body: bytes) -> Iterator[bytes]:
    """Yield the body in pieces of PIECE_BYTES at most."""
    for start in range(0, len(body), PIECE_BYTES):
        yield body[start : start + PIECE_BYTES]
