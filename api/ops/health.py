"""Answers for probes: can this process accept events, can it read history?"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Literal

from api.formats.status_schemas import Dependency, Readiness
from api.http.problems import of_storage
from api.ops.bounded_call import BoundedCall
from api.ops.shared_call import SharedCall
from storage.errors import StorageError

PROBE_SECONDS = 0.9  # orchestrators give a probe one second

Purpose = Literal["accept", "query"]
Ping = Callable[[], Awaitable[None]]

# Neither needs control: without it, events wait a little longer and queries are slower.
_NEEDED: dict[Purpose, str] = {"accept": "queue", "query": "database"}


class Probes:
    """What the servers answer to pings. Each server has one under way at most, for all requests."""

    def __init__(self, pings: Mapping[str, Ping]) -> None:
        self._calls = {name: BoundedCall(partial(_ask, ping)) for name, ping in pings.items()}
        self._states = SharedCall(self._read)

    async def readiness(self, purpose: Purpose) -> Readiness:
        """Return the state of each server, and whether the one that the purpose needs is up.

        Requests that come at the same time share one reading of the servers: a state is at most
        PROBE_SECONDS old. A server that still owes the answer to an earlier ping is down.
        """
        dependencies = await self.states()
        ready = dependencies[_NEEDED[purpose]].state == "up"
        return Readiness(status="ready" if ready else "unavailable", dependencies=dependencies)

    async def states(self) -> Mapping[str, Dependency]:
        """Return the state of each server, as `readiness` does."""
        return await self._states.result()

    async def close(self) -> None:
        """Cancel the pings that are under way."""
        await self._states.close()
        await asyncio.gather(*(call.close() for call in self._calls.values()))

    async def _read(self) -> dict[str, Dependency]:
        found = await asyncio.gather(*(_state(call) for call in self._calls.values()))
        return dict(zip(self._calls, found, strict=True))


async def _state(call: BoundedCall[Dependency]) -> Dependency:
    unknown = Dependency(state="down", detail=f"no answer within {PROBE_SECONDS:g} s")
    return await call.answer(PROBE_SECONDS) or unknown


async def _ask(ping: Ping) -> Dependency:
    try:
        await ping()
    except StorageError as error:
        return Dependency(state="down", detail=of_storage(error).detail)
    return Dependency(state="up")
