"""Provide what every measurement needs: running servers, a folder, and durations."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis
from sqlalchemy.engine import make_url

from benchmarks.history import History, build
from cli.embedded import embedded_servers
from storage.postgres.migrate import upgrade
from storage.settings import StorageSettings
from testbed.servers import TEMPLATE, TestServers
from testbed.service import Service
from testbed.waiting import wait_until

# bounds of the whole queue and control: the appended events of one round must fit
QUEUE_MAXMEMORY = "2gb"


@dataclass(frozen=True, slots=True)
class Pace:
    """Durations and sizes of a run."""

    quick: bool
    rounds: int
    seconds: float  # of one load
    histories: Mapping[str, History]  # rows that are in the table before more are stored
    stored_rows: int
    read: History  # the database that is queried


QUICK = Pace(
    quick=True,
    rounds=2,
    seconds=1,
    histories={"few": History(100_000, 1)},
    stored_rows=20_000,
    read=History(100_000, 1),
)
FULL = Pace(
    quick=False,
    rounds=5,
    seconds=3,
    histories={
        "few": History(100_000, 1),
        "a million": History(1_000_000, 1),
        "days": History(10_000_000, 30),
        "one day": History(10_000_000, 1),
        "by hour": History(10_000_000, 1, "hour"),
    },
    stored_rows=30_000,
    read=History(10_000_000, 30),
)


@dataclass(frozen=True)
class Bench:
    """The servers of `activity up` on a folder that is kept, and a scratch folder."""

    servers: TestServers
    folder: Path
    pace: Pace

    def pids(self) -> dict[str, int]:
        """Return the process ids of the servers by role."""
        return self.servers.servers.pids()

    def history(self, history: History) -> StorageSettings:
        """Return settings of a database with this history; build the database if it is missing."""
        url = build(history, self.servers.servers.urls.database_url)
        return self.servers.settings(make_url(url).database or "")

    def empty_queue(self) -> None:
        """Empty the queue and control."""
        self.empty_control()
        with redis.Redis.from_url(self.servers.servers.urls.queue_url) as client:
            empty_queue(client)

    def empty_control(self) -> None:
        """Empty control."""
        with redis.Redis.from_url(self.servers.servers.urls.control_url) as client:
            client.flushall()


def empty_queue(client: redis.Redis) -> None:
    """Empty a server of the queue and shrink its file, as it does after some time of work."""
    client.flushall()
    _wait_for_rewrite(client)  # the server starts one itself when its file has grown
    client.bgrewriteaof()
    _wait_for_rewrite(client)


def _wait_for_rewrite(client: redis.Redis) -> None:
    wait_until(
        lambda: not client.info("persistence")["aof_rewrite_in_progress"],
        "the queue's file to be rewritten",
        60,
    )


@contextmanager
def bench(data_dir: Path, pace: Pace) -> Iterator[Bench]:
    """Yield everything that a run needs. The contents of `data_dir` are kept for the next run."""
    scratch = data_dir / "scratch"
    with embedded_servers(data_dir / "servers", queue_maxmemory=QUEUE_MAXMEMORY) as servers:
        scratch.mkdir(exist_ok=True)
        tests = TestServers(servers)
        tests.execute(f"DROP DATABASE IF EXISTS {TEMPLATE}")
        tests.execute(f"CREATE DATABASE {TEMPLATE}")
        upgrade(tests.settings().database_url)
        yield Bench(tests, scratch, pace)


@dataclass(frozen=True)
class Rival:
    """A running reference process."""

    url: str
    process: subprocess.Popen[bytes]


@contextmanager
def rival(name: str, env: Mapping[str, str]) -> Iterator[Rival]:
    """Run `benchmarks.rivals.<name>` for the block."""
    with socket.create_server(("127.0.0.1", 0), backlog=2048) as listener:
        os.set_inheritable(listener.fileno(), True)
        fd = listener.fileno()
        process = subprocess.Popen(
            [sys.executable, "-m", f"benchmarks.rivals.{name}", "--fd", str(fd)],
            env={**os.environ, **env},
            pass_fds=[fd],
        )
        try:
            yield Rival(f"http://127.0.0.1:{listener.getsockname()[1]}", process)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)


def pids_of(running: Service) -> dict[str, list[int]]:
    """Return the process ids of the service itself by role."""
    return {
        "api": [process.pid for process in running.apis],
        "worker": [process.pid for process in running.workers],
    }
