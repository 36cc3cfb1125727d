"""What a batch costs, without a clock: how often a drain asks each of the servers.

Few events wait when a service is not busy, so each batch is small, and what is asked for each batch
is most of what storing costs. A count that has grown has to be worth it: then write it here.
"""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import redis
from sqlalchemy.engine import make_url

from storage.settings import StorageSettings
from tests.support.queued import append, backlog, make_events
from tests.support.relay import Relay, relay
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
        """How often a drain of so many batches asks each server."""
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
    database = make_url(settings.database_url)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        socket = ".s.PGSQL.5432"
        relays = {
            "postgres": relay(folder / socket, f"{database.query['host']}/{socket}"),
            "queue": relay(folder / "queue", unquote(urlsplit(settings.queue_url).path)),
            "control": relay(folder / "control", unquote(urlsplit(settings.control_url).path)),
        }
        relayed = StorageSettings(
            database_url=database.set(query={"host": str(folder)}).render_as_string(False),
            queue_url=f"unix://{folder}/queue",
            control_url=f"unix://{folder}/control",
            shards=settings.shards,
            _env_file=None,
        )
        quiet = WorkerSettings(
            _env_file=None,
            batch_events=EVENTS,
            linger_ms=0,
            gather_ms=0,
            lease_ms=60_000,
            slice_ms=60_000,
        )
        worker = open_resources(relayed, quiet)
        monkeypatch.setattr("worker.drain.resources", lambda: worker)
        running = {role: stack.enter_context(each) for role, each in relays.items()}
        found = Watched(worker, settings, running)
        open_connections(worker.queue, 3)
        found.asked(1)  # connects, loads the scripts, makes the partition
        yield found
        worker.writer._engine.dispose()


def test_a_batch_asks_each_server_a_few_times(watched: Watched) -> None:
    few, many = watched.asked(1), watched.asked(1 + BATCHES)
    assert {role: (many[role] - few[role]) / BATCHES for role in many} == A_BATCH


def test_a_drain_asks_each_server_a_few_times_beside_its_batches(watched: Watched) -> None:
    assert {role: n - A_BATCH[role] for role, n in watched.asked(1).items()} == A_DRAIN
