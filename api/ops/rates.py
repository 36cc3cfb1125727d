"""`GET /admin/rates`: what was accepted, stored and rejected in each minute of the last hour.

Soon after each beginning of a minute a task of every API process reads the counters, and control
keeps the first reading. The difference of two readings is what happened between them, exactly. A
minute without both readings is unknown.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from storage.errors import ControlUnavailable, StorageError
from storage.events.ledger import Account
from storage.metrics.catalogue import REJECTED_EVENTS
from storage.metrics.process import own
from storage.metrics.samples import counted
from storage.minute_samples import MINUTE_SECONDS, WINDOW_SECONDS, MinuteSamples, Sample
from storage.periodic import PeriodicTask
from storage.queue.inspector import ShardState
from storage.server_errors import refusal

MINUTES = 60
LOOK_SECONDS = 1.0
ANSWER_SECONDS = 3.0
_QUEUE, _LEDGER, _ERASED, _REJECTED = "queue", "ledger", "erased", "rejected:"

log = logging.getLogger(__name__)

T = TypeVar("T")


class RateSampler(PeriodicTask):
    """Reads the counters at the beginning of each minute, by control's clock."""

    def __init__(
        self,
        samples: MinuteSamples,
        shards: Callable[[], Awaitable[Sequence[ShardState]]],
        accounts: Callable[[], Awaitable[Mapping[int, Account]]],
    ) -> None:
        super().__init__("sampling the counters of each minute", LOOK_SECONDS)
        self._samples = samples
        self._shards = shards
        self._accounts = accounts
        self._due = 0.0  # by the monotonic clock

    async def run_once(self) -> None:
        """Take the sample of this minute, if it is its beginning. Raises ControlUnavailable."""
        if time.monotonic() < self._due:
            return
        minute, late = divmod(await self._samples.now(), MINUTE_SECONDS)
        if late <= WINDOW_SECONDS:
            sample = await self._sample()
            again, still_late = divmod(await self._samples.now(), MINUTE_SECONDS)
            if again == minute and still_late <= WINDOW_SECONDS:
                await self._samples.add(int(minute), sample)
        self._due = time.monotonic() + MINUTE_SECONDS - late

    async def _sample(self) -> Sample:
        """Read each counter; one that can't be read is left out."""
        shards, accounts = await asyncio.gather(_ask(self._shards()), _ask(self._accounts()))
        found: dict[str, Sequence[int]] = {_REJECTED + f"{own.identity:x}": (_rejected(),)}
        if shards is not None:
            found[_QUEUE] = (sum(shard.accepted for shard in shards),)
        if accounts is not None:
            ledger = accounts.values()
            found[_LEDGER] = (
                sum(one.stored for one in ledger),
                sum(one.duplicates for one in ledger),
                sum(one.dead for one in ledger),
            )
            found[_ERASED] = (sum(one.erased for one in ledger),)
        return found


class Rates:
    """The minutes of the last hour, from the samples."""

    def __init__(self, samples: MinuteSamples) -> None:
        self._samples = samples

    async def answer(self) -> dict[str, Any]:
        """Return the last whole minutes, the oldest first. Raises ControlUnavailable."""
        last = int(await self._samples.now()) // MINUTE_SECONDS
        numbers = range(last - MINUTES, last + 1)
        samples = await self._read(numbers)
        pairs = zip(numbers, samples, samples[1:], strict=False)
        return {"minutes": [minute_of(number, *pair) for number, *pair in pairs]}

    async def _read(self, numbers: Sequence[int]) -> Sequence[Sample]:
        """Return the samples; none if control refuses to tell them to this user."""
        try:
            return await self._samples.read(numbers)
        except ControlUnavailable as error:
            if refusal(error) is None:
                raise
            return [{}] * len(numbers)


def minute_of(number: int, start: Sample, end: Sample) -> dict[str, Any]:
    """Return what happened between both samples; null where it is unknown. Pure."""
    accepted = _growth(start.get(_QUEUE), end.get(_QUEUE), 1)
    stored = _growth(start.get(_LEDGER), end.get(_LEDGER), 3)
    erased = _growth(start.get(_ERASED), end.get(_ERASED), 1)
    begin = datetime.fromtimestamp(number * MINUTE_SECONDS, UTC)
    return {
        "minute": begin.isoformat(),
        "accepted": accepted[0],
        "stored": stored[0],
        "duplicates": stored[1],
        "dead": stored[2],
        "erased": erased[0],
        "rejected": _rejected_between(start, end),
    }


def _growth(
    start: Sequence[int] | None, end: Sequence[int] | None, count: int
) -> Sequence[int | None]:
    """Return by how much counts grew; unknown if one fell: then its data was lost or changed."""
    if start is None or end is None or not len(start) == len(end) == count:
        return [None] * count
    found = [after - before for before, after in zip(start, end, strict=True)]
    return [None] * count if min(found) < 0 else found


def _rejected_between(start: Sample, end: Sample) -> int | None:
    """Return how many events were rejected; unknown if an instance began or ended meanwhile."""
    before, after = (
        {name: counts for name, counts in sample.items() if name.startswith(_REJECTED)}
        for sample in (start, end)
    )
    if not before or before.keys() != after.keys():
        return None
    grown = [_growth(before[name], after[name], 1)[0] for name in before]
    known = [one for one in grown if one is not None]
    return sum(known) if len(known) == len(grown) else None


def _rejected() -> int:
    """Return how many events the processes of this instance have rejected so far."""
    for sampled in counted(own.readings()):
        if sampled.metric is REJECTED_EVENTS:
            return sum(value for value in sampled.values.values() if isinstance(value, int))
    raise AssertionError("the catalogue has the metric")


async def _ask(question: Awaitable[T]) -> T | None:
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            return await question
    except (StorageError, TimeoutError):
        return None
