"""Run once: start, load, break and measure, stop, judge."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from random import Random
from typing import Any

from tests.faults.chaos import pages
from tests.faults.chaos.acceptance import Acceptance, watched
from tests.faults.chaos.follower import Followed, followed
from tests.faults.chaos.kinds import KINDS, Kind, draw
from tests.faults.chaos.ledger import read_ledger
from tests.faults.chaos.outside import SERVER, Outside
from tests.faults.chaos.probe import Probe
from tests.faults.chaos.programs import StackFailed, load, read_counts
from tests.faults.chaos.served import Served
from tests.faults.chaos.stack import Stack, run_folder, running_stack
from tests.faults.chaos.verdict import Verdict, judge, stored_events
from tests.faults.chaos.witness import witnessed

QUIETEST, QUIET = 0.1, 0.6  # seconds between two faults
SLOW_SECONDS = 10.0
LOGS = ("up", "distant-api", "distant-worker")

Say = Callable[[str], None]


@dataclass(frozen=True)
class Options:
    """The options of a run."""

    seconds: float
    seed: int
    rate: int
    kinds: Sequence[Kind] = tuple(KINDS)
    slow_seconds: float = SLOW_SECONDS
    keep: bool = False
    queue: str = SERVER
    replicas: int = 0  # that must confirm an event, on a queue of several servers


@dataclass(frozen=True)
class Happened:
    """One fault, the seconds until the service had recovered from it, and the longest gap.

    `gap`: seconds in which no event was acknowledged, from the beginning of the fault on.
    """

    kind: str
    note: str
    recovery: float
    gap: float


@dataclass(frozen=True)
class Result:
    """The result of one run."""

    options: Options
    seconds: float
    faults: Sequence[Happened]
    failures: Sequence[str]
    counts: dict[str, Any]
    verdict: Verdict
    statements: int  # of `/status`
    false_statements: Sequence[str]
    served: Served
    followed: Followed

    @property
    def problems(self) -> list[str]:
        """Return why this run failed; empty if it passed."""
        found, verdict = self.verdict.comparison, self.verdict
        lists = {
            "waiting": found.waiting,
            "lost": [] if self._tells_loss else found.lost,
            "doubled": found.doubled,
            "invented": found.invented,
            "altered": found.altered,
            "unbalanced": verdict.unbalanced,
            "stale": verdict.stale,
            "misplaced": verdict.misplaced,
            "false statements of /status": self.false_statements,
            "failed requests of rolling restarts": self.served.failures,
            "missed by a reader of the feed": self.followed.missed,
            "twice to a reader of the feed": self.followed.twice,
        }
        wrong = [_summary(name, items) for name, items in lists.items() if items]
        slow = [f for f in self.faults if f.recovery >= self.options.slow_seconds]
        wrong += [f"slow: {f.kind} ({f.note}) took {f.recovery:.1f} s" for f in slow]
        return [*self.failures, *wrong, *self._gaps(), *self._mistakes()]

    @property
    def _tells_loss(self) -> bool:
        """Return whether events may be lost, because no replica confirms them, and that is told."""
        options = self.options
        return options.queue != SERVER and not options.replicas and self.verdict.told > 0

    def _gaps(self) -> list[str]:
        """Return the faults of a queue of several servers that stopped accepting for too long."""
        if self.options.queue == SERVER:  # nothing can accept while that is away
            return []
        found = [f for f in self.faults if f.gap >= self.options.slow_seconds]
        return [f"gap: {f.kind} ({f.note}) accepted nothing for {f.gap:.1f} s" for f in found]

    def _mistakes(self) -> list[str]:
        """Return the answers that a valid event must never get, whatever is broken."""
        outcomes: dict[str, int] = self.counts["outcomes"]
        wrong = {name: count for name, count in outcomes.items() if name.isdigit()}
        wrong.pop("503", None)
        return [f"{count} events were answered with {name}" for name, count in wrong.items()]


def _summary(name: str, items: Sequence[str]) -> str:
    return f"{name}: {len(items)}, the first: {'; '.join(items[:3])}"


@dataclass
class Breaking:
    """Break one thing after the other, until time is over or the service does not recover."""

    stack: Stack
    probe: Probe
    acceptance: Acceptance
    options: Options
    say: Say
    faults: list[Happened] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def run(self) -> float:
        """Break and measure; return the seconds that took."""
        rng = Random(self.options.seed)
        start = time.monotonic()
        for number, kind in enumerate(self._kinds(rng, start + self.options.seconds), 1):
            self.say(f"{time.monotonic() - start:6.1f} s  {number:3}  {kind.name}")
            try:
                self._break(kind, rng)
            except (AssertionError, StackFailed) as error:
                self.failures.append(f"{kind.name}: {error}")
                self.say(self._last_words())
                break
        return time.monotonic() - start

    def _kinds(self, rng: Random, end: float) -> Iterator[Kind]:
        """Yield each kind at least once, then until the time is over."""
        drawn = draw(rng, list(self.options.kinds))
        yield from islice(drawn, len(self.options.kinds))
        while time.monotonic() < end:
            yield next(drawn)

    def _break(self, kind: Kind, rng: Random) -> None:
        self.stack.hold(rng.uniform(QUIETEST, QUIET))
        start = time.monotonic()
        with kind.fault(self.stack, rng) as note:
            self.stack.hold(rng.uniform(kind.shortest, kind.longest))
        seconds = self.probe.recovery()
        gap = self.acceptance.longest_gap(start)
        self.faults.append(Happened(kind.name, note, seconds, gap))
        self.say(f"{'':16}{note}: recovered in {seconds:.2f} s, longest gap {gap:.2f} s")
        self.stack.wait_whole()
        pages.visit(self.stack)

    def _last_words(self) -> str:
        folder = self.stack.folder
        return "\n".join(f"--- {name} last said:\n{folder.tail(name)}" for name in LOGS)


def run(options: Options, say: Say = print, outside: Outside | None = None) -> Result:
    """Run everything, with a queue `outside` of `activity up` if the options say so.

    Raises StackFailed if the service does not start.
    """
    with run_folder(options.keep) as folder, running_stack(folder, outside) as stack:
        say(f"running on {folder.path}")
        probe = Probe(stack)
        probe.recovery()  # it works before anything is broken
        with (
            witnessed(stack) as witness,
            followed(stack.urls.database_url) as follower,
            load(folder, options.rate, *stack.ports),
            watched(folder.ledger) as acceptance,
        ):
            breaking = Breaking(stack, probe, acceptance, options, say)
            seconds = breaking.run()
        counts = read_counts(folder)
        say("judging")
        record, served = stack.record, stack.served
        promised = [*read_ledger(folder.ledger), *probe.promised, *record.guilty, *served.promised]
        posted = [range(counts["posted"]), range(-probe.posted, 0)]
        posted += [record.guilty_numbers, served.numbers]
        verdict = judge(stack, promised, posted)
        verdict = replace(verdict, stale=[*verdict.stale, *probe.stale])
        faults, failures = breaking.faults, breaking.failures
        seen = follower.finish([event_id for event_id, _ in stored_events(stack)])
        said = witness.answers, witness.false, served, seen
        return Result(options, seconds, faults, failures, counts, verdict, *said)
