"""Cutting input into what is sent together. Pure, but for reading it.

Where a chunk ends follows from the bytes and `batch` alone, so that an interrupted run cuts the
rest of its input as it would have.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, NamedTuple

from activity_client.answers import ProblemDocument
from activity_client.event_line import EVENT_BYTES
from cli.errors import SendError

CHUNK_BYTES = 4 * 1024 * 1024  # far from the 16 MiB that the service takes
_PIECE_BYTES = 64 * 1024
_BOM = b"\xef\xbb\xbf"
_GZIP = b"\x1f\x8b"


class Rejected(NamedTuple):
    """A line that is not stored: its number, why, and the line as it stands in the input.

    `is_cut`: the line is too long, and `original` is its beginning.
    """

    line: int
    problem: ProblemDocument
    original: bytes
    is_cut: bool = False


@dataclass
class Chunk:
    """Some lines: bytes `start` to `end` of the input, lines `first` to `last`, counted from 1.

    `events` are those worth sending, `numbers` their lines; `bad` are not. `blank` lines are
    counted.
    """

    start: int
    end: int
    first: int
    last: int
    events: list[bytes] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    bad: list[Rejected] = field(default_factory=list)
    blank: int = 0


class Chunks:
    """Reads chunks of `batch` lines or about CHUNK_BYTES, whichever is less.

    `offset` and `lines`: what of the input lies before. `end`: the offset to stop at; None reads on
    to the end of the input. `wants`: which line numbers to take; None takes all. Memory is
    bounded whatever the length of a line. Reading raises SendError for input that is packed,
    OSError.
    """

    def __init__(
        self,
        file: BinaryIO,
        batch: int,
        offset: int = 0,
        lines: int = 0,
        end: int | None = None,
        wants: Callable[[int], bool] | None = None,
    ) -> None:
        self._file = file
        self._batch = batch
        self._offset = offset
        self._lines = lines
        self._end = end
        self._wants = wants

    def __iter__(self) -> Iterator[Chunk]:
        while (chunk := self._next()) is not None:
            yield chunk

    def skip(self, lines: int) -> int:
        """Pass over that many lines; the offset behind them."""
        while self._lines < lines and self._read() is not None:
            pass
        return self._offset

    def _next(self) -> Chunk | None:
        chunk = Chunk(self._offset, self._offset, self._lines + 1, self._lines)
        while not self._is_full(chunk) and (line := self._read()) is not None:
            self._sort(line, chunk)
            chunk.last, chunk.end = self._lines, self._offset
        return chunk if chunk.last >= chunk.first else None

    def _is_full(self, chunk: Chunk) -> bool:
        lines, size = chunk.last - chunk.first + 1, chunk.end - chunk.start
        return lines >= self._batch or size >= CHUNK_BYTES

    def _read(self) -> bytes | None:
        """The next line without its end, longer than EVENT_BYTES if it is too long; then only its
        beginning."""
        at_start = self._offset == 0
        line = self._piece(EVENT_BYTES + len(_BOM) + len(b"\r\n"))
        if not line:
            return None
        if at_start:
            refuse_gzip(line, "FILE")
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

    def _sort(self, line: bytes, chunk: Chunk) -> None:
        if self._wants is not None and not self._wants(self._lines):
            return
        if not line or line.isspace():
            chunk.blank += 1
            return
        problem = _fault(line)
        if problem is None:
            chunk.events.append(line)
            chunk.numbers.append(self._lines)
        else:
            chunk.bad.append(Rejected(self._lines, problem, line, len(line) > EVENT_BYTES))


def refuse_gzip(beginning: bytes, name: str) -> None:
    """Raises SendError with the remedy, where input begins so; no event does."""
    if beginning.startswith(_GZIP):
        raise SendError(f"this is gzip: gzip -dc {name} | activity send -")


def _fault(line: bytes) -> ProblemDocument | None:
    """What must not reach the service: it could make it refuse all that is sent with it."""
    if len(line) > EVENT_BYTES:
        return {"status": 413, "detail": f"the line has more than {EVENT_BYTES} bytes"}
    try:
        line.decode()
    except UnicodeDecodeError as error:
        return {"status": 400, "detail": f"the line is not UTF-8: byte {error.start + 1} is wrong"}
    return None
