"""What every measurement is given: running servers, a folder, and how long to measure."""

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

# Of the whole queue and control: what is appended in one round must fit.
QUEUE_MAXMEMORY = "2gb"


@dataclass(frozen=True, slots=True)
class Pace:
    """How much time is spent."""

    quick: bool
    rounds: int
    seconds: float  # of one load
    there: Mapping[str, History]  # what is there when more is stored
    stored_rows: int
    read: History  # what is asked


QUICK = Pace(
    quick=True,
    rounds=2,
    seconds=1,
    there={"few": History(100_000, 1)},
    stored_rows=20_000,
    read=History(100_000, 1),
)
FULL = Pace(
    quick=False,
    rounds=5,
    seconds=3,
    there={
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
        """The servers' processes by role."""
        return self.servers.servers.pids()

    def history(self, history: History) -> StorageSettings:
        """Settings that point at a database full of events, made first if it is missing."""
        url = build(history, self.servers.servers.urls.database_url)
        return self.servers.settings(make_url(url).database or "")

    def empty_queue(self) -> None:
        """Forget what is queued, and let the queue's file start small, as after a while's work."""
        urls = self.servers.servers.urls
        with redis.Redis.from_url(urls.control_url) as client:
            client.flushall()
        with redis.Redis.from_url(urls.queue_url) as client:
            client.flushall()
            _wait_for_rewrite(client)  # the server begins one itself when its file has grown
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
    """Everything that a run needs; what `data_dir` holds is kept for the next one."""
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
    """A process that we are measured beside."""

    url: str
    process: subprocess.Popen[bytes]


@contextmanager
def rival(name: str, env: Mapping[str, str]) -> Iterator[Rival]:
    """`benchmarks.rivals.<name>`, serving."""
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
    """The service's own processes by role."""
    return {
        "api": [process.pid for process in running.apis],
        "worker": [process.pid for process in running.workers],
    }
