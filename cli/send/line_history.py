"""What became of each line of a file, in bounded space, so that mended lines can be sent alone.

A line is known by its number and its content. The history keeps the numbers of rejected lines and
one checksum over all accepted lines. Pure.
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
    """How a file compares with the file that a history is about."""

    UNCHANGED = auto()  # every accepted line is as it was accepted
    CHANGED = auto()  # some accepted lines are as they were
    OTHER = auto()  # no accepted line that is remembered is in it


class Comparison(NamedTuple):
    """How a file compares, and how many lines in it are open."""

    match: Match
    open_lines: int


@dataclass(frozen=True)
class AcceptedLines:
    """Some accepted lines: a checksum over numbers and contents, first and last content."""

    checksum: int = 0
    marks: tuple[int, ...] = ()


@dataclass
class LineHistory:
    """What became of lines 1 to `lines`.

    `stretches`: first and last number of each stretch of rejected lines, one after the other.
    `checksum`: of all accepted lines. `marks`: digests of the first and the last accepted line.
    `too_many`: more stretches were rejected than are remembered.
    """

    lines: int = 0
    stretches: list[int] = field(default_factory=list)
    checksum: int = 0
    marks: list[int] = field(default_factory=list)
    too_many: bool = False

    def add(self, last_line: int, accepted: AcceptedLines, rejected: Sequence[Rejected]) -> None:
        """Record the lines up to `last_line`, which follow those before."""
        self.lines = last_line
        self.checksum = (self.checksum + accepted.checksum) % _MODULUS
        marks = [*self.marks, *accepted.marks]
        self.marks = [*marks[:1], *marks[-1:]]
        for one in rejected:
            self._reject(one.line)

    def is_open(self, line: int) -> bool:
        """Whether the line was not accepted yet: it was rejected, or it came later."""
        place = bisect_left(self.stretches, line)
        inside = place % 2 == 1 or self.stretches[place : place + 1] == [line]
        return inside or line > self.lines

    def compare(self, chunks: Iterable[Chunk]) -> Comparison:
        """Compare the file that the chunks are read from."""
        checksum, open_lines, knows = 0, 0, False
        for chunk in chunks:
            open_lines += sum(self.is_open(one.line) for one in chunk.bad)
            for number, line in zip(chunk.numbers, chunk.events, strict=True):
                digest = _digest(line)
                knows = knows or digest in self.marks
                if self.is_open(number):
                    open_lines += 1
                else:
                    checksum += digest * number
        return Comparison(self._match(checksum, knows), open_lines)

    def _match(self, checksum: int, knows: bool) -> Match:
        if checksum % _MODULUS == self.checksum:
            return Match.UNCHANGED
        return Match.CHANGED if knows else Match.OTHER

    def _reject(self, line: int) -> None:
        if self.stretches and self.stretches[-1] == line - 1:
            self.stretches[-1] = line
        elif len(self.stretches) < 2 * MAX_STRETCHES:
            self.stretches += (line, line)
        else:
            self.too_many = True


def accepted_lines(numbers: Sequence[int], lines: Sequence[bytes]) -> AcceptedLines:
    """Sum up accepted lines. Sums can be added in any order."""
    digests = [_digest(line) for line in lines]
    checksum = sum(digest * number for digest, number in zip(digests, numbers, strict=True))
    return AcceptedLines(checksum % _MODULUS, tuple(digests[:1] + digests[-1:]))


def _digest(line: bytes) -> int:
    return int.from_bytes(blake2b(line, digest_size=16).digest())
