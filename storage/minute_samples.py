"""What counters said at the beginning of each minute, on control: samples for two hours.

A sample is written once, by the first process that has it, and by control's clock. It is lost with
control's data, and then the minutes beside it are unknown.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import redis.asyncio

from storage.redis import keys
from storage.server_errors import control_errors

MINUTE_SECONDS = 60
WINDOW_SECONDS = 5.0
"""A sample must be taken so soon after the beginning of its minute."""

_KEPT_SECONDS = 2 * 3_600

Sample = Mapping[str, Sequence[int]]
"""The counts of each counter that was sampled, by its name."""


class MinuteSamples:
    """Reads and writes the samples. For one event loop. Every call raises ControlUnavailable."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._client = client

    async def now(self) -> float:
        """Return control's time in seconds since 1970."""
        with control_errors():
            seconds, micros = await self._client.time()
        return float(seconds + micros / 1_000_000)

    async def add(self, minute: int, sample: Sample) -> None:
        """Write what a minute's sample does not have yet; minutes are numbered from 1970."""
        name = keys.minute_sample(minute)
        with control_errors():
            async with self._client.pipeline(transaction=True) as pipe:
                for counter, counts in sample.items():
                    pipe.hsetnx(name, counter, " ".join(map(str, counts)))
                pipe.expire(name, _KEPT_SECONDS)
                await pipe.execute()

    async def read(self, minutes: Sequence[int]) -> list[Sample]:
        """Return the samples of these minutes; what is unknown is left out of them."""
        with control_errors():
            async with self._client.pipeline(transaction=False) as pipe:
                for minute in minutes:
                    pipe.hgetall(keys.minute_sample(minute))
                found = await pipe.execute()
        return [_sample(fields) for fields in found]

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


def _sample(fields: Mapping[Any, Any]) -> Sample:
    """Return the counts of a hash; a field that somebody else has written is left out."""
    found = {}
    for name, text in fields.items():
        numbers = text.split()
        if numbers and all(number.isdigit() and len(number) < 20 for number in numbers):
            found[name.decode(errors="replace")] = tuple(map(int, numbers))
    return found
