"""Send a chunk, and collect the result of each line."""

from dataclasses import dataclass, field
from itertools import compress

from activity_client.answers import Verdict
from activity_client.batch import Batch
from activity_client.transport import Pause, Settled, Transport
from cli.errors import KeyReused
from cli.send.chunks import Chunk, Rejected
from cli.send.line_history import AcceptedLines, accepted_lines
from cli.send.retry_deadline import stop_refused


@dataclass(frozen=True)
class Outcome:
    """The result of a chunk: its end, the number of accepted events, and the rejected lines.

    `lines` is what the line history records of the accepted lines.
    """

    end: int
    last_line: int
    accepted: int
    rejected: list[Rejected]
    blank: int = 0
    lines: AcceptedLines = field(default_factory=AcceptedLines)


@dataclass
class UnfinishedChunk:
    """A chunk in delivery: the service may have split it, and answered its first part.

    It stays a part of the run as a whole: the next run sends it again under the same keys.
    """

    chunk: Chunk
    verdicts: list[Verdict] = field(default_factory=list)

    @property
    def last_line(self) -> int:
        """Return the last line before the first event without a verdict."""
        numbers, count = self.chunk.numbers, len(self.verdicts)
        return numbers[count] - 1 if count < len(numbers) else self.chunk.last

    @property
    def accepted(self) -> int:
        """Return how many events are accepted."""
        return sum(verdict.problem is None for verdict in self.verdicts)

    @property
    def rejected(self) -> int:
        """Return how many lines up to `last_line` are rejected."""
        bad = sum(line.line <= self.last_line for line in self.chunk.bad)
        return len(self.verdicts) - self.accepted + bad


def deliver(
    transport: Transport, run_id: str, chunk: Chunk, pause: Pause, settled: Settled
) -> Outcome:
    """Send a chunk. Its idempotency key depends only on the run and its place in the file.

    Raises RequestRefused, and the errors of `pause`.
    """
    verdicts = []
    if chunk.events:
        batch = Batch(f"{run_id}-{chunk.start}", chunk.events)
        try:
            verdicts = transport.deliver(batch, pause, stop_refused, settled)
        except KeyReused:
            raise KeyReused(_lines_changed(chunk)) from None
    return _outcome(chunk, verdicts)


def _lines_changed(chunk: Chunk) -> str:
    return (
        f"refused: some of the lines {chunk.first:,} to {chunk.last:,} have changed since the "
        "interrupted run sent them. Restore them and run the same command again. Or forget that "
        "run with --restart (for standard input: leave out --run-id); the lines that it sent are "
        "then stored twice"
    )


def _outcome(chunk: Chunk, verdicts: list[Verdict]) -> Outcome:
    refused = [
        Rejected(number, verdict.problem, event)
        for number, event, verdict in zip(chunk.numbers, chunk.events, verdicts, strict=True)
        if verdict.problem is not None
    ]
    rejected = sorted(refused + chunk.bad, key=lambda line: line.line)
    good = [verdict.problem is None for verdict in verdicts]
    lines = accepted_lines(list(compress(chunk.numbers, good)), list(compress(chunk.events, good)))
    return Outcome(chunk.end, chunk.last, sum(good), rejected, chunk.blank, lines)
