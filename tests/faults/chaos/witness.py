"""Read `/status` all the time, and compare the answers with the queue."""

import http.client
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis

from storage.errors import QueueUnavailable
from storage.redis import keys
from storage.redis.client import connect
from tests.faults.chaos.stack import Stack, shard_tags
from tests.faults.chaos.truth import STALL_SECONDS, Counters, Observation, false_statements

PAUSE_SECONDS = 0.2
ANSWER_SECONDS = 20.0  # longer than any answer of `/status` takes
POLL_SECONDS = 0.5
_KEPT = 100


class Witness:
    """One thread for each address; `answers` counts them, `false` lists false statements."""

    def __init__(self, stack: Stack) -> None:
        self.answers = 0
        self.false: list[str] = []
        self._url, self._record = stack.urls.queue_url, stack.record
        self._replicas = stack.outside.replicas if stack.outside else None
        self._unchanged: dict[int, tuple[float, int]] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()

    def stop(self) -> None:
        """Stop all threads."""
        self._stop.set()

    def watch(self, port: int) -> None:
        """Read `/status` of this port until `stop`."""
        while not self._stop.wait(PAUSE_SECONDS):
            # Anew each time: a former primary that somebody is connected to tells what was.
            with connect(self._url, POLL_SECONDS) as queue:
                self._ask(port, queue)

    def _ask(self, port: int, queue: redis.Redis) -> None:
        before = self._read_shards(queue)
        start = time.monotonic()
        status, answer = _status(port)
        end = time.monotonic()
        if answer is None:
            if status:
                self._note([f"answered {status}"])
            return
        frozen = self._record.was_frozen(start, end)
        after = self._read_shards(queue)
        foreign = len(self._record.garbage)
        stalled = self._stalled_shards(start)
        found = before, after, foreign, frozen, stalled, self._replicas
        self._note(false_statements(Observation(answer, *found)))

    def _read_shards(self, queue: redis.Redis) -> list[Counters] | None:
        """Read every shard; None when the queue does not answer."""
        try:
            found = [_counters(queue, tag) for tag in shard_tags(queue)]
        except (redis.RedisError, QueueUnavailable):
            return None
        with self._lock:
            for shard, one in enumerate(found):
                known = self._unchanged.get(shard)
                if not one.waiting:
                    self._unchanged.pop(shard, None)
                elif known is None or known[1] != one.trimmed:
                    self._unchanged[shard] = time.monotonic(), one.trimmed
        return found

    def _stalled_shards(self, at: float) -> list[int]:
        with self._lock:
            return [n for n, (since, _) in self._unchanged.items() if at - since > STALL_SECONDS]

    def _note(self, found: list[str]) -> None:
        with self._lock:
            self.answers += 1
            self.false += found[: _KEPT - len(self.false)]


def _counters(queue: redis.Redis, shard: keys.Tag) -> Counters:
    """Read both counts at one instant, and what waits a moment later."""
    accepted, trimmed = queue.hmget(keys.state(shard), "accepted", "trimmed")
    return Counters(int(accepted or 0), int(trimmed or 0), int(queue.xlen(keys.stream(shard))))


def _status(port: int) -> tuple[int, dict[str, Any] | None]:
    """Return the status, 0 for no answer, and the body if it is a report."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", "/status")
        response = connection.getresponse()
        body = response.read()
    except (OSError, http.client.HTTPException):
        return 0, None
    finally:
        connection.close()
    return response.status, json.loads(body) if response.status == 200 else None


@contextmanager
def witnessed(stack: Stack) -> Iterator[Witness]:
    """Run a witness for the block."""
    witness = Witness(stack)
    threads = [threading.Thread(target=witness.watch, args=(port,)) for port in stack.ports]
    for thread in threads:
        thread.start()
    try:
        yield witness
    finally:
        witness.stop()
        for thread in threads:
            thread.join(ANSWER_SECONDS + 5)
