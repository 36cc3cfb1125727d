"""The result of each line of a file, in bounded space, so that a later run can skip accepted lines.

A line is identified by its number and its content. The history holds the numbers of rejected lines
and one checksum over all accepted lines. Pure.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from hashlib import blake2b
from typing import NamedTuple

from cli.send.chunks import Chunk, Rejected

MAX_STRETCHES = 50_000  # 1 MB at most in the checkpoint, which is written twice a second
_MODULUS = 1 << 128


class Match(Enum):
    """How a file compares with the file of a history."""

    UNCHANGED = auto()  # every accepted line is unchanged
    CHANGED = auto()  # some accepted line is unchanged, some has changed
    OTHER = auto()  # neither the first nor the last accepted line is in the file


class Comparison(NamedTuple):
    """How a file compares, and how many of its lines are open."""

    match: Match
    open_lines: int


@dataclass(frozen=True)
class AcceptedLines:
    """Accepted lines: a checksum over numbers and contents, and digests of the first and last."""

    checksum: int = 0
    marks: tuple[int, ...] = ()


@dataclass
class LineHistory:
    """The results of lines 1 to `lines`.

    `stretches` are the first and last number of each stretch of rejected lines, in one list.
    `checksum` covers all accepted lines. `marks` are digests of the first and the last accepted
    line. `too_many` says that there were more stretches than MAX_STRETCHES.
    """

    lines: int = 0
    stretches: list[int] = field(default_factory=list)
    checksum: int = 0
    marks: list[int] = field(default_factory=list)
    too_many: bool = False

    def add(self, last_line: int, accepted: AcceptedLines, rejected: Sequence[Rejected]) -> None:
        """Record the results of the next lines, up to `last_line`."""
        self.lines = last_line
        self.checksum = (self.checksum + accepted.checksum) % _MODULUS
        marks = [*self.marks, *accepted.marks]
        self.marks = [*marks[:1], *marks[-1:]]
        for line in rejected:
            self._reject(line.line)

    def is_open(self, line: int) -> bool:
        """Return whether the line is not accepted yet: it was rejected, or it is new."""
        index = bisect_left(self.stretches, line)
        inside = index % 2 == 1 or self.stretches[index : index + 1] == [line]
        return inside or line > self.lines

    def compare(self, chunks: Iterable[Chunk]) -> Comparison:
        """Compare the file of these chunks with the file of the history."""
        checksum, open_lines, has_mark = 0, 0, False
        for chunk in chunks:
            open_lines += sum(self.is_open(bad.line) for bad in chunk.bad)
            for number, line in zip(chunk.numbers, chunk.events, strict=True):
                digest = _digest(line)
                has_mark = has_mark or digest in self.marks
                if self.is_open(number):
                    open_lines += 1
                else:
                    checksum += digest * number
        return Comparison(self._match(checksum, has_mark), open_lines)

    def _match(self, checksum: int, has_mark: bool) -> Match:
        if checksum % _MODULUS == self.checksum:
            return Match.UNCHANGED
        return Match.CHANGED if has_mark else Match.OTHER

    def _reject(self, line: int) -> None:
        if self.stretches and self.stretches[-1] == line - 1:
            self.stretches[-1] = line
        elif len(self.stretches) < 2 * MAX_STRETCHES:
            self.stretches += (line, line)
        else:
            self.too_many = True


def accepted_lines(numbers: Sequence[int], lines: Sequence[bytes]) -> AcceptedLines:
    """Return the checksum of accepted lines. Checksums can be added in any order."""
    digests = [_digest(line) for line in lines]
    checksum = sum(digest * number for digest, number in zip(digests, numbers, strict=True))
    return AcceptedLines(checksum % _MODULUS, tuple(digests[:1] + digests[-1:]))


def _digest(line: bytes) -> int:
    return int.from_bytes(blake2b(line, digest_size=16).digest())
