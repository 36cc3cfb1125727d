"""Answers for probes: can this process accept events, can it read history?"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Literal

from api.formats.schemas import Dependency, Readiness
from api.http.problems import of_storage
from storage.errors import StorageError

PROBE_SECONDS = 0.9  # orchestrators give a probe one second

Purpose = Literal["accept", "query"]
Ping = Callable[[], Awaitable[None]]

# Neither needs control: without it, events wait a little longer and queries are slower.
_NEEDED: dict[Purpose, str] = {"accept": "queue", "query": "database"}


async def readiness(purpose: Purpose, pings: Mapping[str, Ping]) -> Readiness:
    """Return the state of each server, and whether the server that the purpose needs is up."""
    found = await asyncio.gather(*(_probe(ping) for ping in pings.values()))
    dependencies = dict(zip(pings, found, strict=True))
    ready = dependencies[_NEEDED[purpose]].state == "up"
    return Readiness(status="ready" if ready else "unavailable", dependencies=dependencies)


async def _probe(ping: Ping) -> Dependency:
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            await ping()
    except StorageError as error:
        return Dependency(state="down", detail=of_storage(error).detail)
    except TimeoutError:
        return Dependency(state="down", detail=f"no answer within {PROBE_SECONDS:g} s")
    return Dependency(state="up")
