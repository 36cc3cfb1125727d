"""What is said of a run when it has ended."""

import json
import shlex
from dataclasses import asdict, dataclass
from pathlib import Path

from cli.send.rejects import reasons_path
from cli.send.run import RunResult


@dataclass(frozen=True)
class Summary:
    """Its fields are the JSON form's.

    `accepted`, `rejected`, `lines`: of all runs over this input together. `run_accepted`,
    `run_rejected`, `run_blank` (lines that were passed over), `seconds`, `events_per_second`: of
    this one, which began after line `after_line`. `complete`: nothing is left to send.
    `next_step`: what to do about rejected lines, None without any.
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

    def as_json(self) -> str:
        return json.dumps(asdict(self))

    def as_text(self) -> str:
        rate = f"{self.seconds:.1f} s, {self.events_per_second:,.0f} events a second"
        said = _counts(self.run_accepted, self.run_rejected)
        if self.run_blank:
            said += f", {self.run_blank:,} blank {'line' if self.run_blank == 1 else 'lines'}"
        if self.run_accepted == self.accepted and self.run_rejected == self.rejected:
            said = f"{said} ({rate})"
        else:
            said = f"{said} in this run ({rate}); {_counts(self.accepted, self.rejected)} in all"
        return "\n".join(filter(None, [said, self.next_step]))


def _counts(accepted: int, rejected: int) -> str:
    return f"{accepted:,} accepted, {rejected:,} rejected"


def next_step(result: RunResult, file: str | None, rejected: str | None, url: str | None) -> str:
    """What to do about rejected lines. `file`: None for standard input; `url`: as it was given."""
    one = result.tally.rejected == 1
    lines, them = ("line", "it") if one else ("lines", "them")
    in_place = None
    if file and result.remembers_rejected:
        place = "in its place" if one else "each in its place"
        again = "run the same command again: it sends only what was not accepted."
        in_place = f"{place} in {file}, and {again}"
    if rejected:
        was = "was" if one else "were"
        step = f"The rejected {lines} {was} also written to {_in_own_file(rejected, them, url)}"
        if in_place is None:
            return step
        return f"{step} Or correct {them} {in_place} Use one of the two ways, not both."
    if in_place is not None:
        return f"Correct the rejected {lines}, {in_place}"
    return (
        f"Correct the rejected {lines} and send only what you corrected: all of the input again "
        "would store the accepted lines twice."
    )


def _in_own_file(rejected: str, them: str, url: str | None) -> str:
    path = Path(rejected)
    address = f" --url {shlex.quote(url)}" if url else ""
    command = f"activity send {shlex.quote(rejected)}{address}"
    return f"{path} (reasons: {reasons_path(path)}). Correct {them} there, then run `{command}`."


def summary(url: str, result: RunResult, step: str | None = None) -> Summary:
    """Of a run that ended so."""
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
    )
