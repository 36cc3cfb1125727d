"""The wake-up: a drain is queued in RQ for every shard that has entries."""

import json
from dataclasses import dataclass
from typing import Any

import redis
from redis.exceptions import ResponseError
from rq import Queue
from rq.serializers import JSONSerializer
from rq.worker_registration import WORKERS_BY_QUEUE_KEY

from storage.errors import StorageError, control_errors, queue_errors
from storage.queue.producer import QUEUED_TTL_MS
from storage.queue.shard_count import shard_count
from storage.redis import keys
from storage.redis.client import connect
from storage.redis.script_runner import run

DRAIN_QUEUE = "drain"
DRAIN = "worker.drain.drain"
JOB_SECONDS = 300  # a hint nobody picks up, and a failed one, are forgotten after this


def rq_queue(control: redis.Redis) -> Queue:
    """RQ's one queue. Jobs are JSON: whoever can write to control must not choose what is run."""
    return Queue(DRAIN_QUEUE, connection=control, serializer=JSONSerializer)


def drain_call(shard: int) -> bytes:
    """What RQ writes for the call of a shard's drain; a worker runs nothing else."""
    return json.dumps([DRAIN, None, [shard], {}]).encode()


@dataclass(frozen=True, slots=True)
class Crew:
    """Workers that live, and the entries of RQ's list that they dropped lately: no drains."""

    workers: int
    refused_jobs: int


class DrainScheduler:
    """Queues drains and repeats lost wake-ups. Owns a connection to each server; one thread."""

    def __init__(self, queue_url: str, control_url: str, shards: int) -> None:
        self._queue = connect(queue_url)
        self._jobs = rq_queue(connect(control_url))
        self._shards = shards

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
        """Look at every shard once and queue the drains that are missing; returns how many.

        Raises QueueUnavailable or ControlUnavailable, once every shard was looked at; the next
        sweep makes up for it.
        """
        with queue_errors():
            most = self._queue.zscore(keys.SHARD_COUNT, "count")
        found, failed = 0, None
        for shard in range(shard_count(self._shards, most)):
            try:
                found += self._sweep_shard(shard)
            except StorageError as error:
                failed = error
                if not isinstance(error.__cause__, ResponseError):
                    break  # the server is away, for the other shards too
        if failed:
            raise failed
        return found

    def waiting(self) -> int:
        """Drains that wait in RQ's list."""
        with control_errors():
            return int(self._jobs.count)

    def crew(self) -> Crew:
        """Who works, as RQ knows it. Raises ControlUnavailable."""
        control = self._jobs.connection
        with control_errors():
            workers = control.scard(WORKERS_BY_QUEUE_KEY % DRAIN_QUEUE)
            refused = control.get(keys.REFUSED_JOBS)
            control.llen(self._jobs.key)  # says so where it is no list, and no drain can be queued
        return Crew(int(workers), _number(refused))

    def _sweep_shard(self, shard: int) -> bool:
        generation, doubtful = self._wake(shard)
        if doubtful:
            if self._still_waits(shard, doubtful):
                self._extend_wakeup(shard, doubtful)
                return False
            generation, _ = self._wake(shard, doubtful)
        if generation:
            self.enqueue(shard, generation)
        return bool(generation)

    def _wake(self, shard: int, lost_generation: int = 0) -> tuple[int, int]:
        with queue_errors():
            generation, doubtful = run(
                self._queue,
                "queue/wake",
                [keys.state(shard), keys.stream(shard)],
                [QUEUED_TTL_MS, lost_generation],
            )
        return int(generation), int(doubtful)

    def _extend_wakeup(self, shard: int, generation: int) -> None:
        with queue_errors():
            args = [QUEUED_TTL_MS, generation]
            run(self._queue, "queue/extend_wakeup", [keys.state(shard)], args)

    def _still_waits(self, shard: int, generation: int) -> bool:
        with control_errors():
            job_id = _job_id(shard, generation)
            return self._jobs.connection.lpos(self._jobs.key, job_id) is not None


def _number(written: Any) -> int:
    """A count that control holds; 0 where somebody else has made it none."""
    return int(written) if written and written.isdigit() and len(written) < 20 else 0


def _job_id(shard: int, generation: int) -> str:
    return f"drain-{shard}-{generation}"
