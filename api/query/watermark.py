"""The watermark, for those who can do without it."""

import asyncio
from contextlib import suppress

from storage.errors import QueueUnavailable
from storage.queue.producer import QueueProducer

_WATERMARK_SECONDS = 0.5  # a queue that hangs must not delay reading


async def watermark_or_zero(producer: QueueProducer) -> int:
    """Return the ms before which everything is stored, 0 if the queue does not tell."""
    with suppress(QueueUnavailable, TimeoutError):
        async with asyncio.timeout(_WATERMARK_SECONDS):
            return await producer.watermark_ms()
    return 0
