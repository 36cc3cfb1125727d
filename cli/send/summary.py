"""The summary of a run."""

import json
import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cli.quantities import counted, duration, noun
from cli.send.rejects import reasons_path
from cli.send.run import RunResult


@dataclass(frozen=True)
class Summary:
    """The summary; its fields are the fields of the JSON form.

    `accepted`, `rejected` and `lines` count all runs of this input. `run_accepted`, `run_rejected`,
    `run_blank` (skipped blank lines), `seconds` and `events_per_second` are for this run, which
    started after line `after_line`. `complete`: everything was sent. `next_step`: what to do about
    rejected lines, None if there are none. `run_duplicates`: of an import, how many of the events
    that this run counts as accepted were accepted before.
    """

    url: str
    complete: bool
    lines: int
    accepted: int
    rejected: int
    after_line: int
    run_accepted: int
    run_rejected: int
    run_blank: int
    seconds: float
    events_per_second: float
    next_step: str | None
    run_duplicates: int | None = None

    def as_json(self) -> str:
        """Return one line of JSON."""
        return json.dumps(self.document())

    def document(self) -> dict[str, Any]:
        """Return the fields of the JSON form."""
        document = asdict(self)
        if self.run_duplicates is None:
            del document["run_duplicates"]
        return document

    def as_text(self) -> str:
        """Return the summary for people."""
        rate = f"{duration(self.seconds)}, {counted(self.events_per_second, 'event')} a second"
        counts = _counts(self.run_accepted, self.run_rejected)
        if self.run_blank:
            counts += f", {counted(self.run_blank, 'blank line')}"
        if self.run_duplicates:
            counts += f", {self.run_duplicates:,} of them accepted before"
        if self.run_accepted == self.accepted and self.run_rejected == self.rejected:
            text = f"{counts} ({rate})"
        else:
            total = _counts(self.accepted, self.rejected)
            text = f"{counts} in this run ({rate}); {total} in total"
        return "\n".join(filter(None, [text, self.next_step]))


def _counts(accepted: int, rejected: int) -> str:
    return f"{accepted:,} accepted, {rejected:,} rejected"


def files_as_json(files: Sequence[tuple[str, Summary]], wanted: int) -> str:
    """Return the summary of many files as one line of JSON; `wanted` is how many there are."""
    summaries = [one for _, one in files]
    document = {
        "complete": len(files) == wanted and all(one.complete for one in summaries),
        "accepted": sum(one.accepted for one in summaries),
        "rejected": sum(one.rejected for one in summaries),
        "files": [{"file": name, **one.document()} for name, one in files],
    }
    return json.dumps(document)


def next_step(
    result: RunResult,
    file: str | None,
    rejected: str | None,
    url: str | None,
    command: str = "activity send",
) -> str:
    """Return what to do about rejected lines.

    `file` is None for standard input, `url` is the value of `--url`.
    """
    count = result.tally.rejected
    lines, them = noun(count, "line"), noun(count, "it", "them")
    in_place = None
    if file and result.remembers_rejected:
        place = noun(count, "in its place", "each in its place")
        does = "sends" if command == "activity send" else "imports"
        again = f"run the same command again: it {does} only lines that were not accepted."
        in_place = f"{place} in {file}, and {again}"
    if rejected:
        were = noun(count, "was", "were")
        own_file = _in_own_file(rejected, them, url, command)
        step = f"The rejected {lines} {were} also written to {own_file}"
        if in_place is None:
            return step
        return f"{step} Or correct {them} {in_place} Use only one of the two ways."
    if in_place is not None:
        return f"Correct the rejected {lines}, {in_place}"
    if command != "activity send":
        return (
            f"Correct the rejected {lines}, and import the whole input again: nothing is doubled."
        )
    return (
        f"Correct the rejected {lines}, and send only the corrected {lines}: sending the whole "
        "input again would store the accepted lines twice."
    )


def _in_own_file(rejected: str, them: str, url: str | None, command: str) -> str:
    path = Path(rejected)
    address = f" --url {shlex.quote(url)}" if url else ""
    run = f"{command} {shlex.quote(rejected)}{address}"
    return f"{path} (reasons: {reasons_path(path)}). Correct {them} there, then run `{run}`."


def summary(url: str, result: RunResult, step: str | None = None, imports: bool = False) -> Summary:
    """Return the summary of a run with this result."""
    tally, start = result.tally, result.start
    accepted, rejected = tally.accepted - start.accepted, tally.rejected - start.rejected
    events = accepted + rejected
    return Summary(
        url,
        result.is_complete,
        tally.lines,
        tally.accepted,
        tally.rejected,
        start.lines,
        accepted,
        rejected,
        tally.blank,
        round(result.seconds, 3),
        round(events / max(result.seconds, 1e-9), 1),
        step,
        tally.duplicates if imports else None,
    )
