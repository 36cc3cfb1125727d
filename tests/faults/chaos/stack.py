"""Combine the service under test: its processes, its servers, its two addresses."""

import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import redis
import sqlalchemy as sa

from cli import state
from cli.errors import NothingRuns
from cli.process.supervisor import Supervisor
from cli.urls import Urls
from storage.queue.counters import shards_of
from storage.redis import keys
from storage.redis.client import connect
from testbed.ports import free_ports
from testbed.waiting import T, wait_until
from tests.faults.chaos.network import Network, network
from tests.faults.chaos.outside import Outside
from tests.faults.chaos.programs import API_PROCESSES, WORKERS, Folder, Up, distant
from tests.faults.chaos.record import Record
from tests.faults.chaos.served import Served

READY_SECONDS = 180  # on a busy machine
WHOLE_SECONDS = 30
ROLES = ["api"] * API_PROCESSES + ["control", "postgres", "queue", "supervisor"]
ROLES += ["worker"] * WORKERS
SHARDS = 4  # the default of the service
_POLL_SECONDS = 0.03

_pause = threading.Event()


@dataclass(frozen=True)
class Stack:
    """A running service, for the main thread only: each wait also runs its supervisor."""

    folder: Folder
    up: Up
    distant: Supervisor
    network: Network
    urls: Urls
    ports: tuple[int, int]  # the main address, and the distant API process
    outside: Outside | None = None  # the queue, if it is not the one of `up`
    record: Record = field(default_factory=Record)
    served: Served = field(default_factory=Served)

    def wait(self, condition: Callable[[], T], what: str, seconds: float) -> T:
        """Return the first truthy result.

        Raises AssertionError past the deadline, and StackFailed if `up` ends.
        """
        end = time.monotonic() + seconds
        while not (result := condition()):
            if time.monotonic() > end:
                raise AssertionError(f"not within {seconds:.0f} s: {what}; last: {result!r}")
            self.hold(_POLL_SECONDS)
        return result

    def hold(self, seconds: float) -> None:
        """Wait for that many seconds."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.up.check()
            self.distant.turn()
            _pause.wait(min(left, _POLL_SECONDS))

    def pids(self, role: str) -> list[int]:
        """Return the living processes of a role, the distant ones included."""
        found = [*self._running(), *self.distant.pids()]
        return [pid for each, pid in found if each.removeprefix("distant-") == role]

    def wait_whole(self) -> None:
        """Wait until no process is missing."""
        self.wait(self._is_whole, "every process to be there again", WHOLE_SECONDS)

    @contextmanager
    def server(self, url: str) -> Iterator[redis.Redis]:
        """Connect directly to one server."""
        with redis.Redis.from_url(url, socket_timeout=5, socket_connect_timeout=2) as client:
            yield client

    @contextmanager
    def queue(self) -> Iterator[redis.Redis]:
        """Connect directly to the queue, whichever of its servers has a key."""
        with connect(self.urls.queue_url) as client:
            yield client

    def shards(self) -> Sequence[keys.Tag]:
        """Return the tag of each shard."""
        with self.queue() as queue:
            return shard_tags(queue)

    @contextmanager
    def database(self) -> Iterator[sa.Connection]:
        """Connect directly to PostgreSQL; each statement commits, and may always write."""
        options = {"options": "-c default_transaction_read_only=off", "connect_timeout": 3}
        engine = sa.create_engine(
            self.urls.database_url, isolation_level="AUTOCOMMIT", connect_args=options
        )
        try:
            with engine.connect() as connection:
                yield connection
        finally:
            engine.dispose()

    def _running(self) -> list[tuple[str, int]]:
        with suppress(NothingRuns):
            return list(state.running(self.folder.data).processes)
        return []

    def _is_whole(self) -> bool:
        found = self._running()
        roles = sorted(role for role, _ in found)
        # By the supervisor's pid: processes of a killed run may still be ending.
        wanted = [role for role in ROLES if role != "queue" or not self.outside]
        return roles == wanted and ("supervisor", self.up.pid) in found and self._distant_live()

    def _distant_live(self) -> bool:
        return len(self.distant.pids()) == 2


def signal_process(pid: int, number: signal.Signals) -> None:
    """Send a signal, unless the process is gone."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def shard_tags(queue: redis.Redis) -> Sequence[keys.Tag]:
    """Return the tag of each shard. Raises QueueUnavailable."""
    return keys.tags(queue)[: shards_of(queue, SHARDS)]


@contextmanager
def run_folder(keep: bool = False) -> Iterator[Folder]:
    """Yield a folder that the servers' unprivileged user can reach; remove it unless `keep`."""
    path = Path(tempfile.mkdtemp(prefix="chaos-", dir="/tmp"))
    path.chmod(0o755)
    try:
        yield Folder(path)
    finally:
        if not keep:
            shutil.rmtree(path)


@contextmanager
def running_stack(folder: Folder, outside: Outside | None = None) -> Iterator[Stack]:
    """Run the whole service for the block, with the queue outside of it if there is one."""
    main, distant_port = free_ports(2)
    with ExitStack() as stack:
        up = Up(folder, main, outside)
        stack.callback(up.stop)
        up.start()
        urls = _urls(folder, up)
        between = stack.enter_context(network(urls))
        keeper = stack.enter_context(distant(folder, distant_port, between.urls, outside))
        running = Stack(folder, up, keeper, between, urls, (main, distant_port), outside)
        running.wait_whole()
        yield running


def _urls(folder: Folder, up: Up) -> Urls:
    def ready() -> bool:
        up.check()
        return "ready: " in folder.tail("up")

    wait_until(ready, "`activity up` to be ready", READY_SECONDS)
    return state.running(folder.data).urls
