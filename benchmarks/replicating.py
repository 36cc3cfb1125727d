"""Measure what it costs to wait for a replica: `python -m benchmarks.replicating`.

One API process accepts events, in turns with ACTIVITY_QUEUE_REPLICAS=0 and =1. The queue has a
replica in both cases, and no worker runs.
"""

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import redis

from benchmarks.accepting import batches_of, singles
from benchmarks.bench import QUICK, Bench, bench
from benchmarks.load import LoadFailed, require_wrk, run
from benchmarks.rounds import alternate, ratio, spread
from cli.embedded.binaries import installed_programs
from testbed.servers import data_folder
from testbed.service import Service, service
from testbed.waiting import wait_until

ROUNDS = 5
SECONDS = 3.0
_BATCH = 100
_DURABLE = ("--appendonly", "yes", "--appendfsync", "always", "--save", "")


def main() -> int:
    """Print the rates and their ratio. Returns 1 if there is no load generator."""
    try:
        require_wrk()
    except LoadFailed as error:
        print(error, file=sys.stderr)
        return 1
    with (
        data_folder() as folder,
        bench(folder, QUICK) as running,
        replica(running),
        service(running.servers.settings(), workers=0) as plain,
        service(running.servers.settings(queue_replicas=1), workers=0) as waiting,
    ):
        single, batches = singles(running.folder), batches_of(_BATCH, running.folder)
        for name, requests, connections, events in (
            ("64 connections, single events", single, 64, 1),
            ("256 connections, single events", single, 256, 1),
            (f"8 connections, batches of {_BATCH}", batches, 8, _BATCH),
        ):
            measures: dict[str, Callable[[], float]] = {
                key: partial(_rate, running, each, requests, connections, events)
                for key, each in (("plain", plain), ("waiting", waiting))
            }
            found = alternate(measures, ROUNDS)
            share = ratio(found["waiting"], found["plain"])
            rates = {key: round(spread(values).median) for key, values in found.items()}
            print(f"{name}: {share.median:.2f} ({share.low:.2f} to {share.high:.2f}), {rates}/s")
    return 0


@contextmanager
def replica(running: Bench) -> Iterator[None]:
    """Let a replica follow the queue during the block."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = str(found.getsockname()[1])
    server = running.folder / "replica"
    server.mkdir()
    with redis.Redis.from_url(running.servers.servers.urls.queue_url) as queue:
        queue.config_set("port", port)
        command = [str(installed_programs().valkey), "--port", "0", "--dir", str(server)]
        options = ["--unixsocket", str(server / "sock"), "--replicaof", "127.0.0.1", port]
        process = subprocess.Popen([*command, *_DURABLE, *options], stdout=subprocess.DEVNULL)
        try:
            wait_until(lambda: queue.wait(1, 1_000) == 1, "the replica to follow")
            yield
        finally:
            process.terminate()
            process.wait(20)


def _rate(running: Bench, ours: Service, requests: Path, connections: int, events: int) -> float:
    running.empty_queue()
    return run(ours.url, requests, connections, SECONDS).rate * events


if __name__ == "__main__":
    sys.exit(main())
