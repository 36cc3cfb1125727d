"""What an API process checks when it starts. It starts whatever is found."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from api.ops.health import PROBE_SECONDS
from storage.errors import DatabaseMismatch, DatabaseUnavailable, StorageError
from storage.queue.inspector import Inspector
from storage.queue.producer import QueueProducer

log = logging.getLogger(__name__)


async def check_servers(
    producer: QueueProducer, inspector: Inspector, ping: Callable[[], Awaitable[None]]
) -> None:
    """Announce the process to the queue, and log what keeps events from being kept."""
    await _announce(producer, inspector)
    await _check_database(ping)


async def _announce(producer: QueueProducer, inspector: Inspector) -> None:
    """Announce this process to the queue, and log an error if the queue is not durable."""
    try:
        await producer.announce()
        found = await inspector.server()
        for problem in found.problems:
            log.error("ACKNOWLEDGED EVENTS MAY BE LOST: %s", problem)
        if found.durability == "stated":
            log.warning(
                "the durability of the queue is stated (ACTIVITY_QUEUE_DURABILITY=trusted) and not "
                "checked"
            )
    except StorageError as error:
        log.warning("starting without the queue: %s", error)


async def _check_database(ping: Callable[[], Awaitable[None]]) -> None:
    """Log an error if this PostgreSQL can't store events; they are accepted regardless."""
    with suppress(DatabaseUnavailable, TimeoutError):
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                await ping()
        except DatabaseMismatch as error:
            log.error("EVENTS ARE ACCEPTED BUT NOT STORED: %s", error)
