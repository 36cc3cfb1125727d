"""What became of a chunk."""

from dataclasses import dataclass

from cli.sending.chunks import Chunk, Rejected
from cli.sending.patience import stop_refused
from client.answers import Verdict
from client.batch import Batch
from client.transport import Pause, Transport


@dataclass(frozen=True)
class Outcome:
    """A chunk that is done: its extent, how many events were accepted, which lines were not."""

    end: int
    last_line: int
    accepted: int
    rejected: list[Rejected]


def deliver(transport: Transport, run_id: str, chunk: Chunk, pause: Pause) -> Outcome:
    """Send a chunk under the key that it has in this run, whichever process sends it.

    Raises RequestRefused, and what `pause` raises.
    """
    verdicts = []
    if chunk.events:
        batch = Batch(f"{run_id}-{chunk.start}", chunk.events)
        verdicts = transport.deliver(batch, pause, stop_refused)
    return _outcome(chunk, verdicts)


def _outcome(chunk: Chunk, verdicts: list[Verdict]) -> Outcome:
    refused = [
        Rejected(number, verdict.problem, event)
        for number, event, verdict in zip(chunk.numbers, chunk.events, verdicts, strict=True)
        if verdict.problem is not None
    ]
    rejected = sorted(refused + chunk.bad, key=lambda one: one.line)
    return Outcome(chunk.end, chunk.last, len(verdicts) - len(refused), rejected)
