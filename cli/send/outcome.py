"""Send a chunk, whole or in parts, and collect the result of each line."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import compress

from activity_client.answers import ProblemDocument, Verdict
from activity_client.batch import Batch, Request
from cli.errors import KeyReused
from cli.send.chunks import Chunk, Rejected
from cli.send.line_history import AcceptedLines, accepted_lines

Post = Callable[[Chunk], list[Verdict] | None]
"""Sends a chunk under its own key; returns None if the service refuses it as too large."""


@dataclass(frozen=True)
class Outcome:
    """The result of a chunk: its end, the number of accepted events, and the rejected lines.

    `lines` is what the line history records of the accepted lines. `duplicates`: how many of the
    accepted events an import found accepted before.
    """

    end: int
    last_line: int
    accepted: int
    rejected: list[Rejected]
    blank: int = 0
    lines: AcceptedLines = field(default_factory=AcceptedLines)
    duplicates: int = 0


@dataclass(frozen=True)
class SettledChunk:
    """A chunk that is done while an earlier one is not: the next run must not send it again.

    `start` is its offset, `problems` has a problem for the number of each line that the service
    rejected, `checksum` covers the accepted lines.
    """

    start: int
    problems: Mapping[str, ProblemDocument]
    checksum: int


@dataclass(frozen=True)
class ChunkResult:
    """A chunk, the verdict for each of its events, and the outcome."""

    chunk: Chunk
    verdicts: Sequence[Verdict]
    outcome: Outcome

    def settled(self) -> SettledChunk:
        """Return what the next run must know of the chunk."""
        problems = {
            str(number): verdict.problem
            for number, verdict in zip(self.chunk.numbers, self.verdicts, strict=True)
            if verdict.problem is not None
        }
        return SettledChunk(self.chunk.start, problems, self.outcome.lines.checksum)


def deliver(
    chunk: Chunk,
    post: Post,
    cut: Callable[[Collection[int]], None],
    finish: Callable[[ChunkResult], None],
) -> Outcome:
    """Send a chunk and `finish` it, or its parts one after the other; return the last outcome.

    `cut` records the last lines of both parts before any part is sent. From then on its lines
    travel only under the key of the part.
    """
    verdicts = post(chunk) if chunk.events else []
    if verdicts is None:
        first, second = chunk.halves()
        cut((first.last, second.last))
        deliver(first, post, cut, finish)
        return deliver(second, post, cut, finish)
    result = ChunkResult(chunk, verdicts, _outcome(chunk, verdicts))
    finish(result)
    return result.outcome


def result_of(chunk: Chunk, settled: SettledChunk) -> ChunkResult:
    """Return the result of a chunk that an earlier run sent. Raises KeyReused if it has changed."""
    found = [settled.problems.get(str(number)) for number in chunk.numbers]
    verdicts = [Verdict(problem=problem) for problem in found]
    outcome = _outcome(chunk, verdicts)
    if outcome.lines.checksum != settled.checksum:
        raise lines_changed(chunk)
    return ChunkResult(chunk, verdicts, outcome)


class ImportBatch(Batch):
    """Events of an import: their ids make it safe to repeat, so it has no Idempotency-Key."""

    @cached_property
    def request(self) -> Request:
        """Build the request once, so that every retry sends the same bytes."""
        headers, body = super().request
        return Request({k: v for k, v in headers.items() if k != "Idempotency-Key"}, body)


def batch_of(run_id: str, chunk: Chunk) -> Batch:
    """Return the request. Its idempotency key depends only on the run and the place in the file."""
    return Batch(f"{run_id}-{chunk.key}", chunk.events)


def import_of(run_id: str, chunk: Chunk) -> Batch:
    """Return the request of an import."""
    return ImportBatch(f"{run_id}-{chunk.key}", chunk.events)


def lines_changed(chunk: Chunk) -> KeyReused:
    """Return the error for lines of which others were sent before, in the same place."""
    return KeyReused(
        f"refused: some of the lines {chunk.first:,} to {chunk.last:,} have changed since the "
        "interrupted run sent them. Restore them and run the same command again. Or forget that "
        "run with --restart (for standard input: leave out --run-id); the lines that it sent are "
        "then stored twice"
    )


def _outcome(chunk: Chunk, verdicts: Sequence[Verdict]) -> Outcome:
    refused = [
        Rejected(number, verdict.problem, event)
        for number, event, verdict in zip(chunk.numbers, chunk.events, verdicts, strict=True)
        if verdict.problem is not None
    ]
    rejected = sorted(refused + chunk.bad, key=lambda line: line.line)
    good = [verdict.problem is None for verdict in verdicts]
    lines = accepted_lines(list(compress(chunk.numbers, good)), list(compress(chunk.events, good)))
    duplicates = sum(verdict.duplicate for verdict in verdicts)
    return Outcome(chunk.end, chunk.last, sum(good), rejected, chunk.blank, lines, duplicates)
