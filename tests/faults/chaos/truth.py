"""Compare the answer of `/status` with the truth. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

OF_THE_QUEUE = (
    "backlog", "backlog_bytes", "lag_seconds", "stored_per_second", "workers_wanted", "shards",
)  # fmt: skip
STALL_SECONDS = 25.0  # new API processes must watch a shard for 10 s first
_EXPLAINS = ("can't be asked", "no worker runs")


@dataclass(frozen=True)
class Counters:
    """The counters of one shard, as the queue has them."""

    accepted: int
    trimmed: int
    waiting: int


@dataclass(frozen=True)
class Observation:
    """An answer, and the queue before the request and after the answer.

    None: the queue could not be read. `frozen`: the queue stood still all the time. `foreign`:
    number of foreign entries so far. `stalled`: shards that have stored nothing for STALL_SECONDS.
    `replicas`: how many must confirm an event; None: the queue is one server.
    """

    answer: Mapping[str, Any]
    before: Sequence[Counters] | None
    after: Sequence[Counters] | None
    foreign: int = 0
    frozen: bool = False
    stalled: Sequence[int] = ()
    replicas: int | None = None


def false_statements(observed: Observation) -> list[str]:
    """Return the false statements of an answer."""
    return [*_numbers(observed), *_backlog(observed), *_balance(observed), *_silence(observed)]


def _numbers(observed: Observation) -> list[str]:
    """Require null for each figure of a frozen queue."""
    if not observed.frozen:
        return []
    names = [*OF_THE_QUEUE, "conservation"]
    known = {name: observed.answer[name] for name in names if observed.answer[name] is not None}
    return [f"{name} is {value!r} of a frozen queue" for name, value in known.items()]


def _backlog(observed: Observation) -> list[str]:
    """Require a backlog between the two readings, given what was accepted and stored meanwhile.

    Several servers may fail over at any time, and a former primary answers too.
    """
    said, before, after = observed.answer["backlog"], observed.before, observed.after
    if said is None or not before or not after or observed.replicas is not None:
        return []
    least = sum(one.accepted for one in before) - sum(one.trimmed for one in after)
    most = sum(one.accepted for one in after) - sum(one.trimmed for one in before)
    if least <= said <= most + observed.foreign:
        return []
    return [f"backlog is {said}, and was from {least} to {most}"]


def _balance(observed: Observation) -> list[str]:
    """Require that no event is unaccounted for."""
    found = observed.answer["conservation"]
    return (
        [f"not balanced: {found}"] if found and not is_accounted(found, observed.replicas) else []
    )


def is_accounted(conservation: Mapping[str, Any], replicas: int | None) -> bool:
    """Return whether every acknowledged event is accounted for, as far as /status can know.

    A queue that fails over may lose what it did not acknowledge. Workers may have stored that, and
    then PostgreSQL accounts for more than the queue. Without `replicas` that confirm, a loss that
    is told is true.
    """
    if replicas is None:
        return conservation["balanced"] is not False
    if replicas and conservation["lost"]:
        return False
    return not conservation["queue_unaccounted"]


def _silence(observed: Observation) -> list[str]:
    """Require that each shard without progress is named, or the reason why none can be."""
    said = " ".join(observed.answer["attention"])
    if any(text in said for text in _EXPLAINS):
        return []
    return [
        f"does not name shard {shard}, which has stored nothing for {STALL_SECONDS:g} s"
        for shard in observed.stalled
        if f"shard {shard} " not in said
    ]
