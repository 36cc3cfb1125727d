"""What is said of a run when it has ended."""

import json
from dataclasses import asdict, dataclass

from cli.sending.run import Ending


@dataclass(frozen=True)
class Summary:
    """Its fields are the JSON form's.

    `accepted`, `rejected`, `lines`: of all runs over this input together. `run_accepted`,
    `run_rejected`, `run_blank` (lines that were passed over), `seconds`, `events_per_second`: of
    this one, which began after line `after_line`. `complete`: nothing is left to send.
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

    def as_json(self) -> str:
        return json.dumps(asdict(self))

    def as_text(self) -> str:
        rate = f"{self.seconds:.1f} s, {self.events_per_second:,.0f} events a second"
        said = _counts(self.run_accepted, self.run_rejected)
        if self.run_blank:
            said += f", {self.run_blank:,} blank {'line' if self.run_blank == 1 else 'lines'}"
        if self.run_accepted == self.accepted and self.run_rejected == self.rejected:
            return f"{said} ({rate})"
        return f"{said} in this run ({rate}); {_counts(self.accepted, self.rejected)} in all"


def _counts(accepted: int, rejected: int) -> str:
    return f"{accepted:,} accepted, {rejected:,} rejected"


def summary(url: str, ending: Ending) -> Summary:
    """Of a run that ended so."""
    tally, start = ending.tally, ending.start
    accepted, rejected = tally.accepted - start.accepted, tally.rejected - start.rejected
    events = accepted + rejected
    return Summary(
        url,
        ending.is_complete,
        tally.lines,
        tally.accepted,
        tally.rejected,
        start.lines,
        accepted,
        rejected,
        tally.lines - start.lines - events,
        round(ending.seconds, 3),
        round(events / max(ending.seconds, 1e-9), 1),
    )
