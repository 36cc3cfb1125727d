"""Send standard input or a pipe, which can be read only once."""

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
class StreamPart:
    """The part of the stream to send: everything after `skip_lines` lines.

    `run_id` is the ID of an earlier run of the same input, "" for a new run. With it, unfinished
    requests of the earlier run are stored once, although they are sent again.
    """

    batch: int
    skip_lines: int
    run_id: str
    rejected: Path | None


def send_stream(
    send_options: SendOptions, part: StreamPart, file: BinaryIO
) -> tuple[RunResult, str]:
    """Send the stream, and return the result and the run ID. Raises BadUrl, OSError."""
    run_id = part.run_id or secrets.token_hex(12)
    chunks = Chunks(file, part.batch)
    if not part.skip_lines:
        refuse_to_overwrite(part.rejected, Written())
    keep = None if part.skip_lines else Written()
    start = Tally(chunks.skip(part.skip_lines), part.skip_lines)
    with (
        closing(progress(None, start)) as shown,
        Rejects(part.rejected, keep, shown.show_line) as rejects,
    ):

        def record(outcome: Outcome) -> None:
            rejects.add(outcome.rejected)

        run = Run(send_options, run_id, start, record, shown, lambda tally: None)
        return run.send(chunks), run_id
