"""Compare the answer of `/status` with the truth. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

OF_THE_QUEUE = ("backlog", "backlog_bytes", "lag_seconds", "stored_per_second", "shards")
STILL_SECONDS = 25.0  # new API processes must watch a shard for 10 s first
_EXPLAINS = ("can't be asked", "no worker runs")


@dataclass(frozen=True)
class Counters:
    """The counters of one shard, as the queue has them."""

    accepted: int
    trimmed: int
    waiting: int


@dataclass(frozen=True)
class Asked:
    """An answer, and the queue before the request and after the answer.

    None: the queue could not be read. `frozen`: the queue stood still all the time. `strangers`:
    number of foreign entries so far. `still`: shards that have stored nothing for STILL_SECONDS.
    """

    answer: Mapping[str, Any]
    before: Sequence[Counters] | None
    after: Sequence[Counters] | None
    strangers: int = 0
    frozen: bool = False
    still: Sequence[int] = ()


def false_statements(asked: Asked) -> list[str]:
    """Return the false statements of an answer."""
    return [*_numbers(asked), *_backlog(asked), *_balance(asked), *_silence(asked)]


def _numbers(asked: Asked) -> list[str]:
    """Require null for each figure of a frozen queue."""
    if not asked.frozen:
        return []
    names = [*OF_THE_QUEUE, "conservation"]
    known = {name: asked.answer[name] for name in names if asked.answer[name] is not None}
    return [f"{name} is {value!r} of a frozen queue" for name, value in known.items()]


def _backlog(asked: Asked) -> list[str]:
    """Require a backlog between the two readings, given what was accepted and stored meanwhile."""
    said, before, after = asked.answer["backlog"], asked.before, asked.after
    if said is None or not before or not after:
        return []
    least = sum(one.accepted for one in before) - sum(one.trimmed for one in after)
    most = sum(one.accepted for one in after) - sum(one.trimmed for one in before)
    if least <= said <= most + asked.strangers:
        return []
    return [f"backlog is {said}, and was from {least} to {most}"]


def _balance(asked: Asked) -> list[str]:
    """Require that no event is unaccounted for."""
    found = asked.answer["conservation"]
    return [f"not balanced: {found}"] if found and found["balanced"] is False else []


def _silence(asked: Asked) -> list[str]:
    """Require that each shard without progress is named, or the reason why none can be."""
    said = " ".join(asked.answer["attention"])
    if any(text in said for text in _EXPLAINS):
        return []
    return [
        f"says nothing of shard {shard}, which has stood still for {STILL_SECONDS:g} s"
        for shard in asked.still
        if f"shard {shard} " not in said
    ]
