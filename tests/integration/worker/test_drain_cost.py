"""The cost of a batch, without a clock: a drain's round trips to each server.

Few events wait when a service is not busy, so each batch is small, and what is asked for each batch
is most of what storing costs. A count that has grown has to be worth it: then write it here.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import redis

from storage.settings import StorageSettings
from tests.support.queued import append, backlog, make_events
from tests.support.relay import Relay
from tests.support.relayed import relayed_servers
from worker.drain import drain
from worker.resources import Resources, open_resources
from worker.settings import WorkerSettings

EVENTS = 10  # in a batch
BATCHES = 8

# A batch: BEGIN, claim, COPY (asked, then given), begin write, count, COMMIT; read, acknowledge;
# begin and end of the write, and twice whether other drains wait: before reading ahead, and
# after storing.
A_BATCH = {"postgres": 7, "queue": 2, "control": 4}
# A drain: the last fence and the stale sessions, a transaction each; acquire, release, and that
# nothing more is there, behind the last batch and after it.
A_DRAIN = {"postgres": 6, "queue": 4, "control": 0}


@dataclass(frozen=True)
class Watched:
    """A worker's resources, with a relay in front of each server."""

    worker: Resources
    settings: StorageSettings
    relays: dict[str, Relay]

    def asked(self, batches: int) -> dict[str, int]:
        """Return how many round trips a drain of so many batches makes to each server."""
        append(self.settings, make_events(batches * EVENTS))
        before = {role: each.turns for role, each in self.relays.items()}
        assert drain(0) == "done"
        asked = {role: each.turns - before[role] for role, each in self.relays.items()}
        assert backlog(self.worker.queue) == 0
        return asked


def open_connections(client: redis.Redis, count: int) -> None:
    """Open what the threads of a drain may need at once: to connect costs round trips too."""
    pool = client.connection_pool
    for connection in [pool.get_connection() for _ in range(count)]:
        pool.release(connection)


@pytest.fixture
def watched(settings: StorageSettings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    with relayed_servers(settings) as servers:
        quiet = WorkerSettings(
            _env_file=None,
            batch_events=EVENTS,
            linger_ms=0,
            gather_ms=0,
            lease_ms=60_000,
            slice_ms=60_000,
        )
        worker = open_resources(servers.settings, quiet)
        monkeypatch.setattr("worker.drain.resources", lambda: worker)
        found = Watched(worker, settings, servers.relays)
        open_connections(worker.queue, 3)
        found.asked(1)  # connects, loads the scripts, makes the partition
        yield found
        worker.writer._engine.dispose()


def test_a_batch_asks_each_server_a_few_times(watched: Watched) -> None:
    few, many = watched.asked(1), watched.asked(1 + BATCHES)
    assert {role: (many[role] - few[role]) / BATCHES for role in many} == A_BATCH


def test_a_drain_asks_each_server_a_few_times_beside_its_batches(watched: Watched) -> None:
    assert {role: n - A_BATCH[role] for role, n in watched.asked(1).items()} == A_DRAIN
