"""The sessions of API keys, on control: which proofs count, for each key.

Control may lose them: then everybody signs in again.
"""

import math
from collections.abc import Sequence

import redis.asyncio

from storage.redis import keys
from storage.server_errors import control_errors

MAX_SESSIONS = 100  # of one key; one more ends that which would end first


class SessionStore:
    """For one event loop. Each call raises ControlUnavailable."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._client = client

    async def add(self, key_id: str, proof: str, ends_at: int, now: float) -> None:
        """Keep a proof until its end, in seconds since 1970."""
        name = keys.sessions(key_id)
        with control_errors():
            async with self._client.pipeline(transaction=True) as calls:
                calls.zremrangebyscore(name, "-inf", now)
                calls.zadd(name, {proof: ends_at})
                calls.zremrangebyrank(name, 0, -MAX_SESSIONS - 1)
                calls.expire(name, math.ceil(ends_at - now) + 1)
                await calls.execute()

    async def are_there(self, proofs: Sequence[tuple[str, str]]) -> list[bool]:
        """Return for each key's id and proof whether it is kept."""
        with control_errors():
            async with self._client.pipeline(transaction=False) as calls:
                for key_id, proof in proofs:
                    calls.zscore(keys.sessions(key_id), proof)
                return [found is not None for found in await calls.execute()]

    async def remove(self, key_id: str, proof: str) -> None:
        """Forget a proof, also one that is not kept."""
        with control_errors():
            await self._client.zrem(keys.sessions(key_id), proof)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()
