"""Check that the queue keeps what it acknowledges: its settings, and a write that is fsynced."""

from collections.abc import Mapping
from typing import Any, Literal

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
FSYNC_MS = 300  # enough: with `appendfsync always` the write is fsynced before its answer

_UNKNOWN_COMMAND = "unknown command"  # Redis 7.0 has no WAITAOF

_NOT_FSYNCED = (
    "the queue does not fsync what it acknowledges, although its settings say so: if `appendonly` "
    "was turned on while it ran, a crash loses all events until its first AOF rewrite has ended "
    "(INFO persistence: aof_rewrite_in_progress, aof_last_bgrewrite_status)"
)
_CONFIG_REFUSED = (
    "the queue refuses CONFIG GET, so its settings can't be checked; if you know that it keeps "
    "what it acknowledges, set ACTIVITY_QUEUE_DURABILITY=trusted"
)
_WAITAOF_REFUSED = (
    "the queue refuses WAITAOF ({error}), so whether it fsyncs what it acknowledges can't be "
    "checked: allow WAITAOF (see docs/security.md)"
)

_WRITE_REFUSED = (
    "the queue refuses a write ({error}), so whether it fsyncs what it acknowledges can't be "
    "checked"
)


async def durability(client: redis.asyncio.Redis) -> tuple[Durability, list[str]]:
    """Return what is known, and the problems found. Raises redis-py's errors if no answer comes."""
    try:
        found = await client.config_get(*PROMISED)
    except ResponseError:
        return setting_problems(None)
    level, problems = setting_problems(found)
    return await _check_fsync(client) if level == "checked" else (level, problems)


def setting_problems(found: Mapping[Any, Any] | None) -> tuple[Durability, list[str]]:
    """Return what the settings of a server tell; None if it refuses CONFIG GET."""
    if found is None:
        return "unknown", [_CONFIG_REFUSED]
    weak = [
        f"the queue has {name} {found.get(name)} and needs {value}"
        for name, value in PROMISED.items()
        if found.get(name) != value
    ]
    return ("weak", weak) if weak else ("checked", [])


def fsync_problems(written: Any, fsynced: Any) -> tuple[Durability, list[str]]:
    """Return what the answers to a write and to WAITAOF tell. Raises redis-py's errors."""
    for answer in (written, fsynced):
        if isinstance(answer, ResponseError):
            if _UNKNOWN_COMMAND in str(answer).lower():
                return "checked", []
            text = _WAITAOF_REFUSED if answer is fsynced else _WRITE_REFUSED
            return "unknown", [text.format(error=answer)]
        if isinstance(answer, Exception):
            raise answer
    return ("checked", []) if fsynced[0] else ("weak", [_NOT_FSYNCED])


async def _check_fsync(client: redis.asyncio.Redis) -> tuple[Durability, list[str]]:
    """Write, and ask whether the AOF that the manifest names has the write.

    Both go over one connection: WAITAOF waits for the last write of its own connection.
    """
    async with client.pipeline(transaction=False) as pipe:
        await run(pipe, "queue/probe", [keys.PROBE])
        pipe.waitaof(1, 0, FSYNC_MS)
        written, fsynced = await pipe.execute(raise_on_error=False)
    return fsync_problems(written, fsynced)
