"""Wait until every event that was accepted before now has left the queue: it is stored by then."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic

from api.http.problems import Problem, unavailable
from api.query.lag import Lag
from storage.errors import StorageError
from storage.queue.inspector import ShardState

WAIT_SECONDS = 5.0
POLL_SECONDS = 0.015

log = logging.getLogger(__name__)


class _Round:
    """Requests that came before the same reading of the queue, so they wait for the same.

    `accepted`: of each shard, as that reading showed it. The result of `ended` is whether these
    events have left the queue; False if the queue did not answer.
    """

    def __init__(self) -> None:
        self.ended: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.waiting = 0
        self.accepted: Sequence[int] = ()

    def is_reached(self, shards: Sequence[ShardState]) -> bool:
        """Whether these events have left the queue. A shard that is missing has lost its state."""
        trimmed = [shard.trimmed for shard in shards]
        return len(trimmed) >= len(self.accepted) and all(
            left >= wanted for left, wanted in zip(trimmed, self.accepted, strict=False)
        )


class Freshness:
    """Reads the queue while any request waits, once for all of them. For one event loop.

    It compares counters: a shard counts an event as accepted before the producer gets its answer,
    and as trimmed only after its commit, also a dead letter. So it costs nothing while nobody asks.
    """

    def __init__(self, read: Callable[[], Awaitable[Sequence[ShardState]]], lag: Lag) -> None:
        self._read = read
        self._lag = lag
        self._joining: _Round | None = None  # the next reading is for this round
        self._rounds: list[_Round] = []
        self._task: asyncio.Task[None] | None = None

    async def wait(self) -> None:
        """Return once what was accepted before this call is stored, or is a dead letter.

        Raises Problem 503 after WAIT_SECONDS, and as soon as the queue does not answer.
        """
        joined = self._join()
        joined.waiting += 1
        try:
            done, _ = await asyncio.wait([joined.ended], timeout=WAIT_SECONDS)
        finally:
            joined.waiting -= 1
        if not done:
            raise _stale(self._lag.seconds)
        if not joined.ended.result():
            raise _unknown()

    async def close(self) -> None:
        """End every wait, and return after the reading under way, which is not cancelled."""
        self._end(self._rounds)
        if self._joining:
            self._end([self._joining])
            self._joining = None
        if self._task is not None:
            await asyncio.wait([self._task])

    def _join(self) -> _Round:
        if self._joining is None:
            self._joining = _Round()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._watch())
        return self._joining

    async def _watch(self) -> None:
        while self._joining or self._rounds:
            joined, self._joining = self._joining, None
            if joined:
                self._rounds.append(joined)
            shards = await self._reading()
            if shards is None:
                self._end(self._rounds)
                continue
            if joined:
                joined.accepted = [shard.accepted for shard in shards]
            self._rounds = [one for one in self._rounds if _still_waits(one, shards)]
            if self._rounds:
                await asyncio.sleep(POLL_SECONDS)

    async def _reading(self) -> Sequence[ShardState] | None:
        """Return the state of every shard, None if it can't be read."""
        began = monotonic()
        try:
            shards = await self._read()
        except StorageError:
            return None
        except Exception:
            log.exception("waiting until the history is fresh failed")
            return None
        self._lag.observe(began, shards)
        return shards

    def _end(self, rounds: list[_Round]) -> None:
        for one in rounds:
            if not one.ended.done():
                one.ended.set_result(False)
        rounds.clear()


def _still_waits(one: _Round, shards: Sequence[ShardState]) -> bool:
    """Return whether the round must be looked at again; end it once it is reached."""
    if not one.is_reached(shards):
        return one.waiting > 0
    if not one.ended.done():
        one.ended.set_result(True)
    return False


def _stale(lag: float | None) -> Problem:
    age = "of unknown age" if lag is None else f"{lag:.1f} s old"
    problem = unavailable(
        f"Events that were accepted before this request are not stored after {WAIT_SECONDS:g} s; "
        f"the oldest is {age}. Try again later; without fresh=true the answer would lack them."
    )
    problem.more = {"lag_seconds": lag}
    return problem


def _unknown() -> Problem:
    problem = unavailable(
        "The queue does not answer, so it is not known whether every accepted event is stored. "
        "Try again later; without fresh=true the answer may lack some."
    )
    problem.more = {"lag_seconds": None}
    return problem
