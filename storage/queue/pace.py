"""How fast one worker stores while it is busy, and how many workers are wanted. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

DRAIN_SECONDS = 30.0  # a backlog should be stored within this time
RECENT_MS = 60_000  # paces that were measured this much before the latest one are outdated
_TOLERANCE = 1e-9  # of floating-point division


@dataclass(frozen=True, slots=True)
class Pace:
    """Events that a worker stores per second of work.

    `at_least`: only small batches were measured, which cost more per event. So a busy worker may
    be faster.
    """

    per_second: float
    at_least: bool


@dataclass(frozen=True, slots=True)
class RecordedPace:
    """The pace that the last drain of a shard recorded.

    `at_ms`: when it was measured, in ms of the queue's clock; 0 if it is a lower bound.
    """

    per_second: float
    at_ms: int


def recent_pace(recorded: Sequence[RecordedPace]) -> float | None:
    """Return the mean of the latest paces, in events per second; None without any.

    The latest may be old: while workers are idle, it is what is known of them. Lower bounds count
    only if there is nothing else.
    """
    latest = max((pace.at_ms for pace in recorded), default=0)
    if not latest:
        return max((pace.per_second for pace in recorded), default=None)
    recent = [pace.per_second for pace in recorded if pace.at_ms >= latest - RECENT_MS]
    return sum(recent) / len(recent) if recent else None


def workers_wanted(
    accepted_per_second: float | None, backlog: int, pace: float | None, shards: int
) -> int | None:
    """Return how many worker processes keep up and store the backlog within DRAIN_SECONDS.

    At least 1. At most `shards`, because each shard has one drain. None if a rate is unknown.
    """
    if accepted_per_second is None:
        return None
    asked = accepted_per_second + backlog / DRAIN_SECONDS
    if not asked:
        return 1  # at whatever pace
    return max(1, min(shards, math.ceil(asked / pace - _TOLERANCE))) if pace else None
