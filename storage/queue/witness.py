"""A witness outside the queue of what its shards have accepted.

The queue counts what each shard has ever accepted. When a failover promotes a replica that lacks
the last events, that count falls back together with the stream, and agrees with it. But a count
that an API process was told never falls by itself: a call that began later, and is told less, shows
how many events are gone. Pure.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from storage.queue.inspector import ShardState


class Gap(NamedTuple):
    """Events of one shard, by their place in its count of accepted events, from `begin` to `end`.

    The queue has counted them once and does not know them any more; `end` is not among them.
    """

    shard: int
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of each shard: the highest counts of accepted and of trimmed events; the gaps.

    All are lower bounds.
    """

    accepted: Mapping[int, int]
    trimmed: Mapping[int, int]
    gaps: Sequence[Gap]

    def lost(self, shards: Sequence[ShardState]) -> int:
        """Return how many accepted events may be lost. `shards`: read after this was known."""
        now = [
            Gap(each.shard, max(each.accepted, self.trimmed.get(each.shard, 0)), known)
            for each in shards
            if (known := self.accepted.get(each.shard, 0)) > each.accepted
        ]
        return _size([*self.gaps, *now])

    def exceeds(self, shards: Sequence[ShardState]) -> bool:
        """Return whether a shard counts less than is known.

        It has lost events, or a former primary was read.
        """
        return any(self.accepted.get(each.shard, 0) > each.accepted for each in shards)


class Witness:
    """What one process was told. For one event loop."""

    def __init__(self) -> None:
        self._accepted: dict[int, int] = {}
        self._trimmed: dict[int, int] = {}
        self._gaps: list[Gap] = []

    def known(self, shard: int) -> int:
        """Return the count that a call which begins now must find at least."""
        return self._accepted.get(shard, 0)

    def hear(self, shard: int, known: int, before: int, after: int) -> None:
        """Take the count that an acknowledged append was told, `before` and `after` its events.

        `known`: what `known` returned when the call began.
        """
        self.see(shard, known, before)
        self._accepted[shard] = max(after, self._accepted.get(shard, 0))

    def see(self, shard: int, known: int, count: int) -> None:
        """Take the count that another call was told: replicas may not have confirmed it."""
        if count >= known:
            return
        # What was trimmed was stored first: it is not lost.
        begin = max(count, self._trimmed.get(shard, 0))
        if begin < known:
            self._gaps.append(Gap(shard, begin, known))
        self._accepted[shard] = count

    def read(self, known: Mapping[int, int], shards: Iterable[ShardState]) -> None:
        """Take a reading of the shards. `known`: the `accepted` of `evidence` when it began."""
        for each in shards:
            self.see(each.shard, known.get(each.shard, 0), each.accepted)
            if each.trimmed > self._trimmed.get(each.shard, 0):
                self._trimmed[each.shard] = each.trimmed

    def remember(self, earlier: Evidence) -> None:
        """Take what processes have recorded before this one heard anything."""
        for ours, theirs in (
            (self._accepted, earlier.accepted),
            (self._trimmed, earlier.trimmed),
        ):
            for shard, count in theirs.items():
                ours[shard] = max(count, ours.get(shard, 0))

    def evidence(self) -> Evidence:
        """Return what is known now, without the gaps that were recorded."""
        return Evidence(dict(self._accepted), dict(self._trimmed), tuple(self._gaps))

    def forget(self, recorded: Sequence[Gap]) -> None:
        """Drop the gaps that are recorded."""
        self._gaps = [gap for gap in self._gaps if gap not in recorded]


def joined(some: Evidence, others: Evidence) -> Evidence:
    """Return what both know together."""
    return Evidence(
        _greatest(some.accepted, others.accepted),
        _greatest(some.trimmed, others.trimmed),
        [*some.gaps, *others.gaps],
    )


def _greatest(some: Mapping[int, int], others: Mapping[int, int]) -> dict[int, int]:
    return {n: max(some.get(n, 0), others.get(n, 0)) for n in {*some, *others}}


def _size(gaps: Iterable[Gap]) -> int:
    """Count the events of all gaps; several processes may have noticed the same ones."""
    size, place = 0, (-1, 0)  # counted so far: of this shard, up to this count
    for shard, begin, end in sorted(gaps):
        if shard == place[0]:
            begin = max(begin, place[1])
        if end > begin:
            size, place = size + end - begin, (shard, end)
    return size
