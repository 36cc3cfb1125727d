"""Cut the input into chunks that are sent together. Pure, except for reading the input.

The end of a chunk depends only on the bytes, on `batch` and on the recorded ends of parts, so that
a continued run cuts the rest of its input into the same chunks.
"""

import codecs
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, NamedTuple

from activity_client.answers import ProblemDocument
from activity_client.event_line import EVENT_BYTES
from cli.errors import SendError
from cli.send.faulty_line import fault_of

CHUNK_BYTES = 4 * 1024 * 1024  # far below the 16 MiB that the service accepts
_PIECE_BYTES = 64 * 1024
_BOM = b"\xef\xbb\xbf"
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


class Rejected(NamedTuple):
    """A line that is not stored: its number, the reason, and its original bytes.

    If `is_cut`, the line is too long, and `original` is only its beginning.
    """

    line: int
    problem: ProblemDocument
    original: bytes
    is_cut: bool = False


@dataclass
class Chunk:
    """Consecutive lines: bytes `start` to `end`, lines `first` to `last` (counted from 1).

    `events` are the lines to send, `numbers` their line numbers, and `offsets` where they start.
    `bad` are lines that would make the service refuse the whole request. `blank` is the number of
    blank lines. `is_part`: the service refused a larger chunk, of which this is a part.
    """

    start: int
    end: int
    first: int
    last: int
    events: list[bytes] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    bad: list[Rejected] = field(default_factory=list)
    blank: int = 0
    offsets: list[int] = field(default_factory=list)
    is_part: bool = False

    @property
    def key(self) -> str:
        """Return the place in the input, for the idempotency key: another one for other lines."""
        return f"{self.start}-{self.last}" if self.is_part else f"{self.start}"

    def halves(self) -> tuple["Chunk", "Chunk"]:
        """Return two parts, of which each has events. Blank lines count for the second."""
        middle = len(self.events) // 2
        start, first = self.offsets[middle], self.numbers[middle]
        return (
            Chunk(
                self.start,
                start,
                self.first,
                first - 1,
                self.events[:middle],
                self.numbers[:middle],
                [line for line in self.bad if line.line < first],
                0,
                self.offsets[:middle],
                is_part=True,
            ),
            Chunk(
                start,
                self.end,
                first,
                self.last,
                self.events[middle:],
                self.numbers[middle:],
                [line for line in self.bad if line.line > first],
                self.blank,
                self.offsets[middle:],
                is_part=True,
            ),
        )


class Chunks:
    """A reader of chunks of `batch` lines or about CHUNK_BYTES, whichever is less.

    The input starts after `offset` bytes and `lines` lines, and ends at the offset `end` (None: at
    the end of the input). `wants` selects line numbers (None: all). `part_ends` are the last lines
    of parts. Memory is bounded, whatever the length of a line. Iteration raises SendError for input
    that has no event in each line, OSError.
    """

    def __init__(
        self,
        file: BinaryIO,
        batch: int,
        offset: int = 0,
        lines: int = 0,
        end: int | None = None,
        wants: Callable[[int], bool] | None = None,
        part_ends: Collection[int] = (),
    ) -> None:
        self._file = file
        self._batch = batch
        self._offset = offset
        self._lines = lines
        self._end = end
        self._wants = wants
        self._part_ends = frozenset(part_ends)

    def __iter__(self) -> Iterator[Chunk]:
        while (chunk := self._next()) is not None:
            yield chunk

    def skip(self, lines: int) -> int:
        """Skip until `lines` lines were read, and return the offset after them."""
        while self._lines < lines and self._read() is not None:
            pass
        return self._offset

    def _next(self) -> Chunk | None:
        chunk = Chunk(self._offset, self._offset, self._lines + 1, self._lines)
        while not self._is_full(chunk) and (line := self._read()) is not None:
            self._add(line, chunk)
            chunk.last, chunk.end = self._lines, self._offset
            chunk.is_part = chunk.last in self._part_ends
        return chunk if chunk.last >= chunk.first else None

    def _is_full(self, chunk: Chunk) -> bool:
        lines, size = chunk.last - chunk.first + 1, chunk.end - chunk.start
        return lines >= self._batch or size >= CHUNK_BYTES or chunk.is_part

    def _read(self) -> bytes | None:
        """Return the next line without its line end, or None at the end of the input.

        Of a line that is too long, return only the beginning: more than EVENT_BYTES.
        """
        at_start = self._offset == 0
        line = self._piece(EVENT_BYTES + len(_BOM) + len(b"\r\n"))
        if not line:
            return None
        if at_start:
            refuse_packed(line, "FILE")
            _refuse_other_forms(line)
        piece = line
        while piece and not piece.endswith(b"\n"):
            piece = self._piece(_PIECE_BYTES)
        self._lines += 1
        if at_start:
            line = line.removeprefix(_BOM)
        return line.removesuffix(b"\n").removesuffix(b"\r")

    def _piece(self, size: int) -> bytes:
        if self._end is not None:
            size = min(size, self._end - self._offset)
        piece = self._file.readline(size)
        self._offset += len(piece)
        return piece

    def _add(self, line: bytes, chunk: Chunk) -> None:
        if self._wants is not None and not self._wants(self._lines):
            return
        if not line or line.isspace():
            chunk.blank += 1
            return
        if (fault := fault_of(line)) is not None:
            chunk.bad.append(Rejected(self._lines, *fault, len(line) > EVENT_BYTES))
            return
        problem = _problem(line)
        if problem is None:
            chunk.events.append(line)
            chunk.numbers.append(self._lines)
            chunk.offsets.append(chunk.end)
        else:
            chunk.bad.append(Rejected(self._lines, problem, line, len(line) > EVENT_BYTES))


def refuse_packed(beginning: bytes, name: str) -> None:
    """Raise SendError with the remedy if the input begins like packed data; no event does."""
    for start, program in ((_GZIP, "gzip"), (_ZSTD, "zstd")):
        if beginning.startswith(start):
            raise SendError(f"this is {program}: {program} -dc {name} | activity send -")


def _refuse_other_forms(first: bytes) -> None:
    """Raise SendError with the remedy if the first line shows that lines are no events here."""
    if first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise SendError("this is UTF-16: convert it with iconv -f UTF-16 -t UTF-8 FILE")
    first = first.removeprefix(_BOM)
    if _begins_array(first):
        raise SendError(f"this is a JSON array{_ONE_LINE}: convert it with jq -c '.[]' FILE")
    if first.strip() == b"{":
        raise SendError(f"this is JSON over several lines{_ONE_LINE}: convert it with jq -c . FILE")


_ONE_LINE = ", and each line must have one event"
_begins_array = re.compile(rb"\s*\[\s*(?:\{|$)").match


def _problem(line: bytes) -> ProblemDocument | None:
    """Return why a line must not be sent: the service might refuse the whole request for it."""
    if len(line) > EVENT_BYTES:
        return {"status": 413, "detail": f"the line has more than {EVENT_BYTES} bytes"}
    try:
        line.decode()
    except UnicodeDecodeError as error:
        return {
            "status": 400,
            "detail": f"the line is not UTF-8: byte {error.start + 1:,} is wrong",
        }
    return None
