"""Until when a primary is sure to be the only one, by what its Sentinels tell. Pure.

A failover promotes one replica and tells the others later, the former primary last. Until then a
primary that was paused, or that a part of the network still reaches, may confirm writes together
with a replica that has not been told. They are lost.

Sentinels begin a failover once `quorum` of them have had no answer from the primary for
`down-after-milliseconds`. None can begin while so many have had one that fewer than `quorum` are
left. Whether one had begun before is known to the Sentinel that leads it, and only later to the
others. So a Sentinel counts while it has seen the primary well without a break since all agreed, or
since it learned of this primary; after a break once SETTLE_SECONDS have passed.

It is the lease of a leader, as in Gray and Cheriton, "Leases" (1989), granted by the Sentinels'
own rule. Times are seconds on one monotonic clock.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from math import inf
from typing import NamedTuple

SETTLE_SECONDS = 5.0  # for an election, a promotion, and its announcement to the other Sentinels

Address = tuple[str, int]


class Told(NamedTuple):
    """The answer of one Sentinel.

    `epoch`: of its configuration. `is_well`: neither down for it, nor being replaced by it.
    `answered`: when the primary had answered it last, or later. `sentinels`: how many there are.
    """

    primary: Address
    epoch: int
    is_well: bool
    answered: float
    down_after: float
    sentinels: int
    quorum: int

    @property
    def until(self) -> float:
        """Return when the primary may be down for this Sentinel at the earliest."""
        return self.answered + self.down_after if self.is_well else -inf


@dataclass(slots=True)
class _View:
    """What a Sentinel told when it was asked last, and from when on it counts."""

    told: Told
    asked: float
    counts_from: float


class PrimaryLease:
    """Unites the answers of Sentinels."""

    def __init__(self) -> None:
        self._views: dict[Hashable, _View] = {}

    def hear(self, sentinel: Hashable, asked: float, told: Told) -> None:
        """Take the answer to a question that was asked then."""
        since = _counts_from(self._views.get(sentinel), asked, told)
        self._views[sentinel] = _View(told, asked, since)
        if self._all_agree(told, asked):
            for view in self._views.values():
                view.counts_from = -inf

    def holder(self, now: float) -> Address | None:
        """Return the primary that no failover can have replaced yet; None if that is not sure."""
        for primary in {view.told.primary for view in self._views.values()}:
            if self.confirming(primary, now) >= self.needed:
                return primary
        return None

    def confirming(self, primary: Address, now: float) -> int:
        """Return how many Sentinels are sure of a primary."""
        return sum(
            view.told.primary == primary and view.counts_from <= now < view.told.until
            for view in self._views.values()
        )

    @property
    def needed(self) -> int:
        """Return how many must be: then fewer than the quorum are left."""
        told = [view.told for view in self._views.values()]
        most = max((each.sentinels for each in told), default=1)
        return max(most - min((each.quorum for each in told), default=1) + 1, 1)

    def _all_agree(self, told: Told, asked: float) -> bool:
        """Return whether every Sentinel there is has seen this primary well until now.

        Then none of them leads a failover.
        """
        views = self._views.values()
        return len(views) >= told.sentinels and all(
            view.told.primary == told.primary and asked < view.told.until for view in views
        )


def _counts_from(before: _View | None, asked: float, told: Told) -> float:
    """Return from when on a Sentinel counts that tells this, by what it had told before."""
    if before is None:
        return asked + SETTLE_SECONDS
    is_same = (before.told.primary, before.told.epoch) == (told.primary, told.epoch)
    if is_same and told.answered <= before.told.until:
        return before.counts_from
    has_learned = told.epoch > before.told.epoch  # of another primary, since it was asked last
    if has_learned and told.is_well and told.answered <= before.asked + told.down_after:
        return -inf
    return asked + SETTLE_SECONDS
