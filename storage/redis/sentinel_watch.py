"""Ask the Sentinels all the time which primary no failover can have replaced."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from redis.exceptions import RedisError

from storage.errors import NotReplicated, QueueUnavailable
from storage.periodic import PeriodicTask
from storage.redis.primary_lease import Address, PrimaryLease, Term, Told

PERIOD_SECONDS = 0.25

# Goes on while the machine is suspended, where there is one that does.
_now = partial(time.clock_gettime, getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class _Asking(PeriodicTask):
    """Asks one Sentinel. What it told counts for a while; then it must have answered again."""

    def __init__(self, sentinel: Any, hear: Callable[[Any, float, Any], None]) -> None:
        super().__init__(f"asking the Sentinel {sentinel}", PERIOD_SECONDS)
        self._sentinel = sentinel
        self._hear = hear

    async def run_once(self) -> None:
        asked = _now()
        try:
            masters = await self._sentinel.sentinel_masters()
        except RedisError as error:
            raise QueueUnavailable(str(error)) from error
        self._hear(self._sentinel, asked, masters)


class SentinelWatch:
    """Asks from `start` until `stop`. For one event loop."""

    def __init__(self, sentinels: Sequence[Any], service: str) -> None:
        """`sentinels`: clients of redis-py, each of one Sentinel. `service`: the primary's name."""
        self._service = service
        self._lease = PrimaryLease(len(sentinels))
        self._news = asyncio.Event()
        self._asking = [_Asking(each, self._hear) for each in sentinels]

    def start(self) -> None:
        """Begin to ask, in the running event loop."""
        for each in self._asking:
            each.start()

    async def stop(self) -> None:
        """Stop asking."""
        await asyncio.gather(*(each.stop() for each in self._asking))

    async def holder(self, primary: Address, seconds: float) -> Term:
        """Return who holds the lease, which must be this primary; wait for that for so long.

        Raises NotReplicated.
        """
        holder = None
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while (holder := self._lease.holder(_now())) is None:
                    await self._news.wait()
        if holder is None or holder.primary != primary:
            raise NotReplicated(self._lease.doubt(primary, _now()))
        return holder

    def _hear(self, sentinel: Any, asked: float, masters: dict[str, Any]) -> None:
        if found := masters.get(self._service):
            self._lease.hear(sentinel, asked, _now(), told(found))
            self._news.set()
            self._news = asyncio.Event()


def told(state: dict[str, Any]) -> Told:
    """Return what a Sentinel's answer to SENTINEL MASTERS says of one primary."""
    return Told(
        Term((state["ip"], state["port"]), state["config-epoch"]),
        state["is_sdown"] or state["is_odown"],
        "failover_in_progress" in state["flags"],
        max(state["last-ok-ping-reply"], 0) / 1000,
        state["down-after-milliseconds"] / 1000,
        state["failover-timeout"] / 1000,
        state["num-other-sentinels"] + 1,
        state["quorum"],
    )
