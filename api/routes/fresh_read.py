"""Before a read with `fresh=true`: wait until the history has all that was accepted."""

import asyncio
from collections.abc import Sequence

from fastapi import Request
from starlette.requests import ClientDisconnect

from api.services import services_of


async def wait_until_fresh(request: Request) -> None:
    """Wait until all events that were accepted before this call are stored, or are dead letters.

    Read nothing before it. Raises Problem 503 if that takes too long or is not known, and
    ClientDisconnect once the client has gone.
    """
    waiting = asyncio.create_task(services_of(request).freshness.wait())
    gone = asyncio.create_task(_disconnected(request))
    try:
        await asyncio.wait([waiting, gone], return_when=asyncio.FIRST_COMPLETED)
        if not waiting.done():
            raise ClientDisconnect
        waiting.result()
    finally:
        await _end([waiting, gone])


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
