"""RQ's registry of workers: which of them live, and how many jobs they have refused."""

from dataclasses import dataclass

import redis
from rq.worker_registration import WORKERS_BY_QUEUE_KEY

from storage.queue.scheduler import DRAIN_QUEUE, parse_count
from storage.redis import keys
from storage.server_errors import control_errors

_MAX_MEMBERS = 10_000  # somebody else may have written to the registry


@dataclass(frozen=True, slots=True)
class Registry:
    """`live`: workers with a current heartbeat. `stale`: workers that ended without unregistering.

    `refused_jobs`: entries of RQ's list that were no drains, in the last hour or so.
    """

    live: int
    stale: int
    refused_jobs: int


def read_registry(control: redis.Redis) -> Registry:
    """Read the registry. Raises ControlUnavailable."""
    with control_errors():
        names = sorted(control.smembers(WORKERS_BY_QUEUE_KEY % DRAIN_QUEUE))[:_MAX_MEMBERS]
        live = control.exists(*names) if names else 0
        refused = control.get(keys.REFUSED_JOBS)
    return Registry(int(live), len(names) - int(live), parse_count(refused))
