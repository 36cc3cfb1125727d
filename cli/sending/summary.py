"""What is said of a run when it has ended."""

import json
from dataclasses import asdict, dataclass

from cli.sending.run import Ending


@dataclass(frozen=True)
class Summary:
    """Its fields are the JSON form's.

    `accepted`, `rejected`, `lines`: of all runs over this input together. `seconds`,
    `events_per_second`: of this one, which began after line `after_line`. `complete`: nothing is
    left to send.
    """

    url: str
    complete: bool
    lines: int
    accepted: int
    rejected: int
    after_line: int
    seconds: float
    events_per_second: float

    def as_json(self) -> str:
        return json.dumps(asdict(self))

    def as_text(self) -> str:
        rate = f"{self.seconds:.1f} s, {self.events_per_second:,.0f} events a second"
        return f"{self.accepted:,} accepted, {self.rejected:,} rejected ({rate})"


def summary(url: str, ending: Ending) -> Summary:
    """Of a run that ended so."""
    tally, start = ending.tally, ending.start
    events = tally.accepted + tally.rejected - start.accepted - start.rejected
    return Summary(
        url,
        ending.is_complete,
        tally.lines,
        tally.accepted,
        tally.rejected,
        start.lines,
        round(ending.seconds, 3),
        round(events / max(ending.seconds, 1e-9), 1),
    )
