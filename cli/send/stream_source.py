"""Send standard input or a pipe, which can be read only once."""

import re
import secrets
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from cli.send.chunks import Chunks
from cli.send.line_reader import open_lines
from cli.send.outcome import Outcome
from cli.send.progress import Tally, progress
from cli.send.reading import Reading
from cli.send.rejects import Rejects, Written, refuse_to_overwrite
from cli.send.run import Run, RunResult, SendOptions

_is_resume_id = re.compile(
    r"([A-Za-z0-9_-]{1,64})(?::([0-9]{1,18}(?:,[0-9]{1,18}){0,100000}))?", re.ASCII
).fullmatch


@dataclass(frozen=True)
class StreamPart:
    """The part of the stream to send: everything after `skip_lines` lines.

    `run_id` is the ID of an earlier run of the same input, "" for a new run. With it, unfinished
    requests of the earlier run are stored once, although they are sent again. `part_ends` are the
    last lines of its parts. `reading`: how lines are made of the stream.
    """

    batch: int
    skip_lines: int
    run_id: str
    rejected: Path | None
    part_ends: tuple[int, ...] = ()
    reading: Reading = field(default_factory=Reading)


def resume_id(run_id: str, part_ends: Iterable[int]) -> str:
    """Return the text that continues a run: its ID, and the last line of each part to come."""
    ends = ",".join(map(str, part_ends))
    return f"{run_id}:{ends}" if ends else run_id


def parse_resume_id(text: str) -> tuple[str, tuple[int, ...]] | None:
    """Return the run ID and the ends of parts, None for a text that is none."""
    found = _is_resume_id(text)
    if found is None:
        return None
    return found[1], tuple(int(end) for end in (found[2] or "").split(",") if end)


def send_stream(
    send_options: SendOptions, part: StreamPart, file: BinaryIO
) -> tuple[RunResult, str]:
    """Send the stream. Return the result, and what continues it. Raises BadUrl, OSError."""
    run_id, part_ends = part.run_id or secrets.token_hex(12), set(part.part_ends)
    lines = open_lines(file, "standard input", part.reading)
    chunks = Chunks(lines, part.batch, part_ends=part_ends)
    if not part.skip_lines:
        refuse_to_overwrite(part.rejected, Written())
    keep = None if part.skip_lines else Written()
    start = Tally(chunks.skip(part.skip_lines), part.skip_lines)
    with (
        closing(progress(None, start, send_options.url)) as shown,
        Rejects(
            part.rejected,
            keep,
            shown.show_line,
            send_options.imports,
            part.reading.unit_of("standard input"),
        ) as rejects,
    ):

        def record(outcome: Outcome) -> None:
            rejects.add(outcome.rejected)

        run = Run(send_options, run_id, start, record, shown, lambda _: None, part_ends.update)
        result = run.send(chunks)
        open_ends = sorted(end for end in list(part_ends) if end > result.tally.lines)
        return result, resume_id(run_id, open_ends)
