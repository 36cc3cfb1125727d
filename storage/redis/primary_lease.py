"""Which primary no failover can have replaced yet, by what its Sentinels tell. Pure.

A failover promotes one replica and tells the others later, the former primary last. Until then a
primary that was paused, or that a part of the network still reaches, may confirm writes together
with a replica that has not been told. They are lost.

A Sentinel begins a failover only if it has had no answer from the primary for
`down-after-milliseconds` itself. While all of them have had one since, none has begun. With one
away that can't be known at once: it may lead a failover that the others learn of when a replica is
promoted, and they may count what another one told of the primary up to 5 s ago. So then as many
must have seen the primary well for SETTLE_SECONDS without a break that fewer than the quorum are
left.

It is the lease of a leader, as in Gray and Cheriton, "Leases" (1989), granted by the Sentinels'
own rule. Times are seconds on one monotonic clock.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from math import inf
from typing import NamedTuple

# For 5 s Sentinels count what another one told; then follow an election, a promotion, and its news.
SETTLE_SECONDS = 8.0

MIN_DOWN_AFTER_SECONDS = 2.0  # Sentinels ask once a second: with less, each question is a break

Address = tuple[str, int]


class Term(NamedTuple):
    """A primary, and the epoch of the configuration that made it one."""

    primary: Address
    epoch: int


class Told(NamedTuple):
    """The answer of one Sentinel.

    `is_replacing`: it leads a failover of this primary. `age`: since the primary answered it.
    `sentinels`: how many there are. Times are in seconds.
    """

    term: Term
    is_down: bool
    is_replacing: bool
    age: float
    down_after: float
    failover_timeout: float
    sentinels: int
    quorum: int


@dataclass(frozen=True, slots=True)
class _View:
    """What a Sentinel told when it was asked last.

    `until`: when it may see the primary down at the earliest. `since`: since when it has seen it
    well without a break.
    """

    told: Told
    heard: float
    until: float
    since: float


class PrimaryLease:
    """Unites the answers of the Sentinels that an address names."""

    def __init__(self, named: int) -> None:
        """`named`: how many these are."""
        self._named = named
        self._views: dict[Hashable, _View] = {}

    def hear(self, sentinel: Hashable, asked: float, heard: float, told: Told) -> None:
        """Take the answer to a question that was asked and answered then."""
        is_well = not told.is_down and not told.is_replacing
        # The primary answered between `asked - age` and `heard - age`: the worse of both counts.
        until = asked - told.age + told.down_after if is_well else -inf
        before = self._views.get(sentinel)
        unbroken = (
            before is not None
            and before.told.term == told.term
            and heard - told.age <= before.until
        )
        since = before.since if before and unbroken else heard
        self._views[sentinel] = _View(told, heard, until, since)

    def holder(self, now: float) -> Term | None:
        """Return the primary that no failover can have replaced by now; None if none is sure."""
        for term in {view.told.term for view in self._views.values()}:
            if self._is_sure(term, now):
                return term
        return None

    def doubt(self, primary: Address, now: float) -> str:
        """Say why a primary does not hold the lease."""
        views = [view for view in self._views.values() if view.told.term.primary == primary]
        well = sum(now < view.until for view in views)
        shortest = min((view.told.down_after for view in views), default=inf)
        hint = ""
        if shortest < MIN_DOWN_AFTER_SECONDS:
            hint = f"; down-after-milliseconds is {shortest * 1000:g} and must be 2000 or more"
        elif self._known() > self._named:
            hint = f"; ACTIVITY_QUEUE_URL names {self._named}"
        return (
            f"a failover may have replaced {primary[0]}:{primary[1]}: {well} of {self._known()} "
            f"Sentinels see it well, and all must, or {self._needed()} for {SETTLE_SECONDS:g} s"
            f"{hint}"
        )

    def _is_sure(self, term: Term, now: float) -> bool:
        if any(_forbids(view, term, now) for view in self._views.values()):
            return False
        well = [
            view for view in self._views.values() if view.told.term == term and now < view.until
        ]
        settled = sum(now - view.since >= SETTLE_SECONDS for view in well)
        return len(well) >= self._known() or settled >= self._needed()

    def _known(self) -> int:
        """Return how many Sentinels there are."""
        return max(self._named, *(view.told.sentinels for view in self._views.values()), 1)

    def _needed(self) -> int:
        """Return of how many on fewer than the quorum are left."""
        quorum = min((view.told.quorum for view in self._views.values()), default=1)
        return max(self._known() - quorum + 1, 1)


def _forbids(view: _View, term: Term, now: float) -> bool:
    """Return whether a Sentinel replaces this primary, or knows a later one."""
    told = view.told
    if told.term.primary != term.primary:
        return told.term.epoch > term.epoch
    return told.is_replacing and now - view.heard < told.failover_timeout
