"""Empty every shard once, in this process and without RQ: nothing else uses the servers."""

import time
from contextlib import closing

from storage.errors import StorageError
from storage.queue.counters import backlog
from storage.queue.lease import ShardLease
from storage.settings import StorageSettings
from worker.drain import drain_shard
from worker.resources import Resources, open_resources
from worker.settings import WorkerSettings

_BUSY_PAUSE_SECONDS = 0.1
_BUSY_SECONDS = 90.0  # a lease that was held when the queue was copied ends within a minute


def empty_shards(settings: StorageSettings, shards: int) -> dict[int, str]:
    """Store what waits on each of the shards. Return why entries still wait, by shard.

    Raises QueueUnavailable.
    """
    with closing(open_resources(settings, WorkerSettings(linger_ms=0))) as context:
        reasons = {shard: _empty(context, shard) for shard in range(shards)}
    return {shard: reason for shard, reason in reasons.items() if reason}


def _empty(context: Resources, shard: int) -> str:
    """Empty a shard; return why that did not succeed, or an empty text."""
    lease = ShardLease(context.queue, shard, context.settings.lease_ms)
    deadline = time.monotonic() + _BUSY_SECONDS
    while backlog(context.queue, shard):
        try:
            ended = drain_shard(context, lease, shard)
        except StorageError as error:
            lease.fail(str(error))
            return str(error)
        if ended != "busy":
            deadline = time.monotonic() + _BUSY_SECONDS
        elif time.monotonic() > deadline:
            return "another drain holds it"
        else:
            time.sleep(_BUSY_PAUSE_SECONDS)
    return ""
