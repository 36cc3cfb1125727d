"""Run a scenario in an event loop that must have nothing to complain of."""

import asyncio
import gc
from collections.abc import Callable, Coroutine
from typing import Any


async def settle() -> None:
    """Wait until every task has gone as far as it can."""
    for _ in range(10):
        await asyncio.sleep(0)


def run(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a scenario and assert that the event loop reports no error, then or afterwards."""
    complaints: list[dict[str, Any]] = []

    async def watched() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, what: complaints.append(what))
        await scenario()
        await settle()
        gc.collect()

    asyncio.run(watched())
    gc.collect()
    assert complaints == []
