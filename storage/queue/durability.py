"""Whether the queue's server keeps what it acknowledges: what it is set to do, and what it does."""

from typing import Literal

import redis.asyncio
from redis.exceptions import ResponseError

from storage.redis import keys
from storage.redis.script_runner import run

Durability = Literal["checked", "weak", "unknown", "stated"]

PROMISED = {
    "appendonly": "yes",
    "appendfsync": "always",
    "no-appendfsync-on-rewrite": "no",
    "maxmemory-policy": "noeviction",
}
FSYNC_MS = 300  # with `appendfsync always` the write before was fsynced already

_UNKNOWN_COMMAND = "unknown command"  # Redis 7.0 has no WAITAOF

_NOT_FSYNCED = (
    "the queue does not fsync what it acknowledges, though it is set to: where `appendonly` was "
    "turned on while it ran, a crash loses all events until its first AOF rewrite has ended (INFO "
    "persistence: aof_rewrite_in_progress, aof_last_bgrewrite_status)"
)
_SILENT = (
    "the queue does not tell its configuration (CONFIG GET is refused); if you know that it keeps "
    "what it acknowledges, set ACTIVITY_QUEUE_DURABILITY=trusted"
)
_REFUSED = (
    "the queue does not tell whether it fsyncs what it acknowledges ({error}): allow WAITAOF (see "
    "docs/security.md)"
)


async def durability(client: redis.asyncio.Redis) -> tuple[Durability, list[str]]:
    """What is known, and what to look at. Raises what redis-py does where no answer comes."""
    try:
        found = await client.config_get(*PROMISED)
    except ResponseError:
        return "unknown", [_SILENT]
    weak = [
        f"the queue has {name} {found.get(name)} and needs {value}"
        for name, value in PROMISED.items()
        if found.get(name) != value
    ]
    return ("weak", weak) if weak else await _fsynced(client)


async def _fsynced(client: redis.asyncio.Redis) -> tuple[Durability, list[str]]:
    """Write, and ask whether the AOF that the manifest names has it.

    Both on one connection: WAITAOF waits for the last write of its own connection.
    """
    async with client.pipeline(transaction=False) as pipe:
        await run(pipe, "queue/probe", [keys.PROBE])
        pipe.waitaof(1, 0, FSYNC_MS)
        written, fsynced = await pipe.execute(raise_on_error=False)
    for answer in (written, fsynced):
        if isinstance(answer, ResponseError):
            if _UNKNOWN_COMMAND in str(answer).lower():
                return "checked", []
            return "unknown", [_REFUSED.format(error=answer)]
        if isinstance(answer, Exception):
            raise answer
    return ("checked", []) if fsynced[0] else ("weak", [_NOT_FSYNCED])
