"""Ask the Sentinels all the time whether a primary is sure to be the only one."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from redis.exceptions import RedisError

from storage.errors import NotReplicated, QueueUnavailable
from storage.periodic import PeriodicTask
from storage.redis.primary_lease import SETTLE_SECONDS, Address, PrimaryLease, Told

PERIOD_SECONDS = 0.25
WAIT_SECONDS = 1.0  # for Sentinels to be sure again


class _Asking(PeriodicTask):
    """Asks one Sentinel. What it told counts for a while; then it must have answered again."""

    def __init__(self, sentinel: Any, hear: Callable[[Any, float, Any], None]) -> None:
        super().__init__(f"asking the Sentinel {sentinel}", PERIOD_SECONDS)
        self._sentinel = sentinel
        self._hear = hear

    async def run_once(self) -> None:
        asked = time.monotonic()
        try:
            masters = await self._sentinel.sentinel_masters()
        except RedisError as error:
            raise QueueUnavailable(str(error)) from error
        self._hear(self._sentinel, asked, masters)


class SentinelWatch:
    """Asks from the first `require` on until `stop`. For one event loop."""

    def __init__(self, sentinels: Sequence[Any], service: str) -> None:
        """`sentinels`: clients of redis-py, each of one Sentinel. `service`: the primary's name."""
        self._service = service
        self._lease = PrimaryLease()
        self._news = asyncio.Event()
        self._asking = [_Asking(each, self._hear) for each in sentinels]
        self._settled_at: float | None = None  # from then on, with a Sentinel away too

    async def require(self, primary: Address) -> None:
        """Return once the Sentinels are sure of this primary.

        Raises NotReplicated after WAIT_SECONDS; in the first seconds not before a Sentinel may be
        away.
        """
        now = time.monotonic()
        if self._settled_at is None:
            self._settled_at = now + SETTLE_SECONDS
            for each in self._asking:
                each.start()
        with suppress(TimeoutError):
            async with asyncio.timeout(max(self._settled_at - now, 0.0) + WAIT_SECONDS):
                while (holder := self._lease.holder(time.monotonic())) is None:
                    await self._news.wait()
                if holder == primary:
                    return
        sure = self._lease.confirming(primary, time.monotonic())
        raise NotReplicated(
            f"{sure} of {len(self._asking)} Sentinels (ACTIVITY_QUEUE_URL) are sure that no "
            f"failover has replaced {primary[0]}:{primary[1]}, and {self._lease.needed} must be"
        )

    async def stop(self) -> None:
        """Stop asking."""
        await asyncio.gather(*(each.stop() for each in self._asking))

    def _hear(self, sentinel: Any, asked: float, masters: dict[str, Any]) -> None:
        if found := masters.get(self._service):
            self._lease.hear(sentinel, asked, told(found, asked))
            self._news.set()
            self._news = asyncio.Event()


def told(state: dict[str, Any], asked: float) -> Told:
    """Return what a Sentinel's answer to SENTINEL MASTERS says of one primary."""
    is_down = state["is_sdown"] or state["is_odown"]
    return Told(
        (state["ip"], state["port"]),
        state["config-epoch"],
        not is_down and "failover_in_progress" not in state["flags"],
        asked - max(state["last-ok-ping-reply"], 0) / 1000,
        state["down-after-milliseconds"] / 1000,
        state["num-other-sentinels"] + 1,
        state["quorum"],
    )
