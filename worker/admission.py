"""Admit entries of RQ's list to a worker: the drain of one shard, and nothing else.

Who can write to control can put any function into RQ's list. RQ would import and call it, and its
callbacks too. So nothing that control holds decides what is called: an entry is compared byte for
byte with the one call that is allowed, and nothing of it is unpickled or imported.
"""

import logging
import re
import zlib
from collections.abc import Iterable
from typing import Any, cast

import redis
from rq import Queue
from rq.job import Job

from storage.queue.scheduler import DRAIN, DRAIN_QUEUE, JOB_SECONDS, drain_call, rq_queue
from storage.redis import keys
from storage.settings import MAX_SHARDS

REMEMBERED_SECONDS = 3600  # after the last refused entry, their count starts again
_MAX_PACKED_BYTES = 512  # of a compressed call: one that RQ writes has about 60
_MAX_CALL_BYTES = 512
_ID = re.compile(rb"drain-(0|[1-9][0-9]?)-[1-9][0-9]{0,15}")
_MAX_LOGGED_BYTES = 80

log = logging.getLogger(__name__)


class DrainQueue(Queue):
    """RQ's list as a worker reads it: any entry that is no drain is dropped, logged and counted."""

    _refused = 0  # by this process

    @classmethod
    def dequeue_any(
        cls,
        queues: Iterable[Queue],
        timeout: int | None,
        connection: redis.Redis,
        *_: Any,
        **__: Any,
    ) -> tuple[Job, Queue] | None:
        """Return the next drain. Raises DequeueTimeout if none comes within `timeout` seconds.

        RQ's intermediate list is not used: the sweeper queues a drain again that is lost here.
        """
        (queue,) = queues
        while (popped := cls._pop(queue.key, timeout, connection)) is not None:
            job = cls._admit(connection, popped[1])
            if job is not None:
                return job, queue
        return None

    @classmethod
    def _pop(cls, key: str, timeout: int | None, connection: redis.Redis) -> Any:
        """Pop RQ's next entry. Delete a key that is no list; sweepers queue drains again."""
        try:
            return cls.lpop([key], timeout, connection=connection)
        except redis.ResponseError as error:
            if not str(error).startswith("WRONGTYPE"):
                raise
        log.error("SOMEBODY ELSE WRITES TO CONTROL: the key %s was not a list and is deleted", key)
        connection.delete(key)
        return cls.lpop([key], timeout, connection=connection)

    @classmethod
    def _admit(cls, connection: redis.Redis, job_id: bytes) -> Job | None:
        shard = shard_of(job_id)
        if shard is None:
            cls._refuse(connection, job_id)
            return None
        key = Job.key_for(job_id.decode())
        call = _call(connection, key)
        if call is None:  # the job has expired
            return None
        if call != drain_call(shard):
            connection.delete(key)
            cls._refuse(connection, job_id)
            return None
        return _job(connection, job_id.decode(), shard)

    @classmethod
    def _refuse(cls, connection: redis.Redis, job_id: bytes) -> None:
        cls._refused += 1
        if cls._refused.bit_count() == 1:  # the 1st, 2nd, 4th, 8th time, and so on
            log.error(
                "SOMEBODY ELSE WRITES TO CONTROL: an entry of RQ's list was not a drain and is "
                "dropped (%d so far): %r",
                cls._refused,
                job_id[:_MAX_LOGGED_BYTES],
            )
        try:
            connection.incr(keys.REFUSED_JOBS)
        except redis.ResponseError as error:  # somebody else has written that key, too
            log.error("%s is not a number and starts again at 1: %s", keys.REFUSED_JOBS, error)
            connection.set(keys.REFUSED_JOBS, 1)
        connection.expire(keys.REFUSED_JOBS, REMEMBERED_SECONDS)


def drain_queue(connection: redis.Redis) -> DrainQueue:
    """Return RQ's one queue, for a worker."""
    serializer = rq_queue(connection).serializer
    return DrainQueue(DRAIN_QUEUE, connection=connection, serializer=serializer)


def shard_of(job_id: bytes) -> int | None:
    """Return the shard of a drain's job ID, None for any other ID."""
    match = _ID.fullmatch(job_id)
    shard = int(match[1]) if match else MAX_SHARDS
    return shard if shard < MAX_SHARDS else None


def _call(connection: redis.Redis, key: str) -> bytes | None:
    """Return the job's call as it was before RQ compressed it.

    Returns `b""` if it can't be a drain's, None if there is no such job.
    """
    try:
        size = connection.hstrlen(key, "data")
        if not size:
            return None
        packed = connection.hget(key, "data") if size <= _MAX_PACKED_BYTES else None
    except redis.ResponseError as error:
        if not str(error).startswith("WRONGTYPE"):
            raise
        return b""
    return _decompressed(cast(bytes, packed or b""))


def _decompressed(packed: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(packed, _MAX_CALL_BYTES)
    except zlib.error:
        return b""


def _job(connection: redis.Redis, job_id: str, shard: int) -> Job:
    """Make RQ's job, of which only the ID comes from control."""
    return Job.create(
        DRAIN,
        args=(shard,),
        id=job_id,
        connection=connection,
        origin=DRAIN_QUEUE,
        timeout=JOB_SECONDS,
        description=f"drain shard {shard}",
    )
