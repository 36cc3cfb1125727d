"""Wake-ups: queue a drain in RQ for every shard that has entries."""

import json
from dataclasses import dataclass
from typing import Any

import redis
from redis.exceptions import ResponseError
from rq import Queue
from rq.serializers import JSONSerializer
from rq.worker_registration import WORKERS_BY_QUEUE_KEY

from storage.errors import StorageError
from storage.queue.producer import QUEUED_TTL_MS
from storage.queue.shard_count import announced_shards, shard_count
from storage.redis import keys
from storage.redis.client import connect
from storage.redis.cluster import is_cluster
from storage.redis.script_runner import run
from storage.server_errors import control_errors, queue_errors

DRAIN_QUEUE = "drain"
DRAIN = "worker.drain.drain"
JOB_SECONDS = 300  # RQ forgets a job that no worker takes, or that failed, after this


def rq_queue(control: redis.Redis) -> Queue:
    """Return RQ's queue of drains. Jobs are JSON: unpickling a forged job could run any code."""
    return Queue(DRAIN_QUEUE, connection=control, serializer=JSONSerializer)


def drain_call(shard: int) -> bytes:
    """Return RQ's encoding of the call of a shard's drain; workers run no other call."""
    return json.dumps([DRAIN, None, [shard], {}]).encode()


@dataclass(frozen=True, slots=True)
class Crew:
    """Live workers, and how many entries of RQ's list they dropped lately: all but drains."""

    workers: int
    refused_jobs: int


class DrainScheduler:
    """Queues drains and repeats lost wake-ups. Owns a connection to each server; for one thread."""

    def __init__(self, queue_url: str, control_url: str, shards: int) -> None:
        self._queue = connect(queue_url)
        self._jobs = rq_queue(connect(control_url))
        self._shards = shards
        self._tags = keys.tags(self._queue)
        self._is_cluster = is_cluster(self._queue)

    def enqueue(self, shard: int, generation: int) -> None:
        """Put the drain job on RQ's list, always under a fresh id. Raises ControlUnavailable."""
        with control_errors():
            self._jobs.enqueue(
                DRAIN,
                shard,
                job_id=_job_id(shard, generation),
                job_timeout=JOB_SECONDS,
                ttl=JOB_SECONDS,
                result_ttl=0,
                failure_ttl=JOB_SECONDS,
                description=f"drain shard {shard}",
            )

    def sweep(self) -> int:
        """Check every shard once and queue the drains that are missing; return how many.

        Raises QueueUnavailable or ControlUnavailable after all shards were checked, or at once if a
        server is away and is not one of a cluster; the next sweep repeats what failed.
        """
        with queue_errors():
            announced = announced_shards(self._queue, self._shards)
        queued, failed = 0, None
        for shard in range(shard_count(self._shards, announced)):
            try:
                queued += self._sweep_shard(shard)
            except StorageError as error:
                failed = error
                if not (self._is_cluster or isinstance(error.__cause__, ResponseError)):
                    break  # the server is away: the other shards would fail too
        if failed:
            raise failed
        return queued

    def waiting(self) -> int:
        """Return the number of drains in RQ's list."""
        with control_errors():
            return int(self._jobs.count)

    def crew(self) -> Crew:
        """Return what RQ knows of the workers. Raises ControlUnavailable."""
        control = self._jobs.connection
        with control_errors():
            workers = control.scard(WORKERS_BY_QUEUE_KEY % DRAIN_QUEUE)
            refused = control.get(keys.REFUSED_JOBS)
            control.llen(self._jobs.key)  # fails if the key is no list: then no drain can be queued
        return Crew(int(workers), parse_count(refused))

    def _sweep_shard(self, shard: int) -> bool:
        generation, expired = self._wake(shard)
        if expired:
            if self._still_waits(shard, expired):
                self._extend_wakeup(shard, expired)
                return False
            generation, _ = self._wake(shard, expired)
        if generation:
            self.enqueue(shard, generation)
        return bool(generation)

    def _wake(self, shard: int, lost_generation: int = 0) -> tuple[int, int]:
        with queue_errors():
            generation, expired = run(
                self._queue,
                "queue/wake",
                [keys.state(self._tags[shard]), keys.stream(self._tags[shard])],
                [QUEUED_TTL_MS, lost_generation],
            )
        return int(generation), int(expired)

    def _extend_wakeup(self, shard: int, generation: int) -> None:
        with queue_errors():
            args = [QUEUED_TTL_MS, generation]
            run(self._queue, "queue/extend_wakeup", [keys.state(self._tags[shard])], args)

    def _still_waits(self, shard: int, generation: int) -> bool:
        with control_errors():
            job_id = _job_id(shard, generation)
            return self._jobs.connection.lpos(self._jobs.key, job_id) is not None


def parse_count(value: Any) -> int:
    """Parse a count from control; 0 if somebody else has written something else there."""
    return int(value) if value and value.isdigit() and len(value) < 20 else 0


def _job_id(shard: int, generation: int) -> str:
    return f"drain-{shard}-{generation}"
