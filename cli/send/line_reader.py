"""Lines of events that are made while a file is read: unpacked, of CSV, or with mapped fields.

Memory is bounded, whatever the file unpacks to: a piece of the file, one record, and the last bytes
that were read. The same file makes the same bytes each time, so a checkpoint can tell a position in
them, as in a file of NDJSON.
"""

import csv
import io
from collections.abc import Callable, Iterator
from typing import BinaryIO, cast

import msgspec

from activity_client.event_line import EVENT_BYTES
from cli.errors import SendError
from cli.send.csv_columns import Columns
from cli.send.csv_header import check_header
from cli.send.reading import Converter, Reading
from cli.send.unpacking import is_packed, plain_errors, unpacked

Lines = Callable[[], Iterator[bytes]]

_MAX_LINE = EVENT_BYTES + 16  # more than an event may have, so that a longer one is refused
_MAX_RECORD = 4 * 1024 * 1024  # of CSV, with the line ends in its fields
_KEPT_BYTES = 256 * 1024  # to go back without reading the file again


class LineReader(io.RawIOBase):
    """A file of the lines that `start` makes, from their beginning each time. Only for reading."""

    def __init__(self, start: Lines) -> None:
        super().__init__()
        self._start = start
        self._lines = start()
        self._line, self._kept = b"", bytearray()
        self._at = self._offset = 0

    def readline(self, size: int | None = -1, /) -> bytes:
        """Return the next line, at most `size` bytes of it, nothing at the end."""
        if self._at == len(self._line):
            self._line, self._at = next(self._lines, b""), 0
        end = self._line.find(b"\n", self._at) + 1 or len(self._line)
        if size is not None and size >= 0:
            end = min(end, self._at + size)
        piece = self._line[self._at : end]
        self._at = end
        self._offset += len(piece)
        self._kept += piece
        if len(self._kept) > 2 * _KEPT_BYTES:
            del self._kept[:-_KEPT_BYTES]
        return piece

    def read(self, size: int = -1, /) -> bytes:
        """Return the next `size` bytes, fewer only at the end."""
        pieces: list[bytes] = []
        left = size
        while left and (piece := self.readline(left)):
            pieces.append(piece)
            left -= len(piece)
        return b"".join(pieces)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go to a position; go back only a little without beginning anew."""
        back = self._offset - offset
        if 0 < back <= len(self._kept):
            self._line = bytes(self._kept[-back:]) + self._line[self._at :]
            self._at, self._offset = 0, offset
            del self._kept[-back:]
        elif back > 0:
            self._rewind()
        while self._offset < offset and self.readline(offset - self._offset):
            pass
        return self._offset

    def _rewind(self) -> None:
        self._lines = self._start()
        self._line = b""
        self._kept.clear()
        self._at = self._offset = 0


def open_lines(file: BinaryIO, name: str, reading: Reading) -> BinaryIO:
    """Return what to send of this file: the file itself if its lines are sent as they are.

    A stream is never rewound. Raises SendError while it is read, for damaged files.
    """
    form, convert = reading.form_of(name), Converter(reading)
    packed = reading.unpacks and is_packed(file)
    if not packed and form == "ndjson" and not reading.changes_lines:
        return file

    origin = file.tell() if file.seekable() else None

    def start() -> Iterator[bytes]:
        if origin is not None:
            file.seek(origin)
        lines = _csv_lines if form == "csv" else _ndjson_lines
        with plain_errors(name):
            yield from lines(unpacked(file) if packed else file, convert, reading)

    return cast(BinaryIO, LineReader(start))


def _ndjson_lines(stream: BinaryIO, convert: Converter, reading: Reading) -> Iterator[bytes]:
    changes = reading.changes_lines
    while line := stream.readline(_MAX_LINE):
        if changes and line.strip() and len(line) < _MAX_LINE:
            yield convert.line(line.strip(b"\xef\xbb\xbf \t\r\n")) + b"\n"
        else:
            yield line


class _Physical:
    """The lines of a file of CSV as text, and how much the present record has of them."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.number = self.record_bytes = 0

    def __iter__(self) -> Iterator[str]:
        while line := self._stream.readline(_MAX_RECORD):
            self.number += 1
            self.record_bytes += len(line)
            if self.record_bytes >= _MAX_RECORD:
                raise SendError(
                    f"the record that ends in line {self.number:,} or later is longer than "
                    f"{_MAX_RECORD >> 20} MiB: is a quote not closed?"
                )
            text = line.decode("utf-8", "surrogateescape")
            yield text.removeprefix("\ufeff") if self.number == 1 else text


def _csv_lines(stream: BinaryIO, convert: Converter, reading: Reading) -> Iterator[bytes]:
    physical = _Physical(stream)
    csv.field_size_limit(_MAX_RECORD)
    records = csv.reader(iter(physical), strict=True, delimiter=reading.delimiter or ",")
    try:
        names = next(records, [])
        check_header(names, reading.mappings, reading.fields)
        columns = Columns(names, reading.from_export)
        for values in records:
            physical.record_bytes = 0
            if values:
                yield _csv_line(columns, values, convert) + b"\n"
            else:
                yield b"\n"
    except csv.Error as error:
        raise SendError(f"line {physical.number:,} is not CSV: {error}") from None


def _csv_line(columns: Columns, values: list[str], convert: Converter) -> bytes:
    try:
        return convert.record(columns, values)
    except (UnicodeEncodeError, msgspec.EncodeError):
        # Bytes that are not UTF-8 come back as they are: the line is refused, and no other one.
        return ",".join(values).encode("utf-8", "surrogateescape").replace(b"\n", b" ")
