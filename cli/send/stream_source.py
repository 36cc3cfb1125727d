"""Standard input, a pipe: what can be read once only."""

import secrets
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from cli.send.chunks import Chunks
from cli.send.outcome import Outcome
from cli.send.progress import Tally, progress
from cli.send.rejects import Rejects, Written, refuse_to_overwrite
from cli.send.run import Run, RunResult, SendOptions


@dataclass(frozen=True)
class Part:
    """What of the stream to send: all after `skip_lines` lines.

    `run_id`: that of an earlier run over the same input, "" for a run of its own. With it, what the
    earlier one had under way when it ended counts once all the same.
    """

    batch: int
    skip_lines: int
    run_id: str
    rejected: Path | None


def send_stream(send_options: SendOptions, part: Part, file: BinaryIO) -> tuple[RunResult, str]:
    """Send what comes; how it ended and the run's id. Raises BadUrl, OSError."""
    run_id = part.run_id or secrets.token_hex(12)
    chunks = Chunks(file, part.batch)
    if not part.skip_lines:
        refuse_to_overwrite(part.rejected, Written())
    keep = None if part.skip_lines else Written()
    start = Tally(chunks.skip(part.skip_lines), part.skip_lines)
    with (
        closing(progress(None, start)) as shown,
        Rejects(part.rejected, keep, shown.say) as rejects,
    ):

        def record(outcome: Outcome) -> None:
            rejects.add(outcome.rejected)

        run = Run(send_options, run_id, start, record, shown, lambda tally: None)
        return run.send(chunks), run_id
