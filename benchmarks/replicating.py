"""Measure what a replica and a cluster cost accepting: `python -m benchmarks.replicating`.

One API process accepts events, and no worker runs. In turns it waits for a replica of the queue or
does not; and in turns its queue is one server, or a cluster of three primaries.

All servers fsync every write, on the same disk, and a cluster spreads the same events over three
files. A call goes to one server, and a second one is under way only while many events are pending.
So a cluster adds no fsync to a call, and single events lie in as large groups as with one server.
The servers of the second comparison listen on TCP, both kinds: a cluster has no Unix sockets.
"""

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import redis

from benchmarks.accepting import batches_of, singles
from benchmarks.bench import QUEUE_MAXMEMORY, QUICK, Bench, bench, empty_queue
from benchmarks.load import LoadFailed, require_wrk, run
from benchmarks.processes import cpu_seconds
from benchmarks.rounds import alternate, ratio, spread
from cli.embedded.binaries import installed_programs
from storage.metrics.catalogue import GROUP_COMMIT_EVENTS
from testbed.cluster import cluster_nodes
from testbed.servers import data_folder
from testbed.service import Service, service
from testbed.valkey import Node, one_server
from testbed.waiting import wait_until

ROUNDS = 5
SECONDS = 3.0
_BATCH = 100
_DURABLE = ("--appendonly", "yes", "--appendfsync", "always", "--save", "")


@dataclass(frozen=True, slots=True)
class Side:
    """A running service, and how to empty its queue."""

    service: Service
    empty: Callable[[], None]


def main() -> int:
    """Print what is measured, and the ratios. Returns 1 if there is no load generator."""
    try:
        require_wrk()
    except LoadFailed as error:
        print(error, file=sys.stderr)
        return 1
    print(__doc__)
    with data_folder() as folder, bench(folder, QUICK) as running:
        with with_replica(running) as sides:
            compare(running.folder, *sides)
        with on_a_cluster(running) as sides:
            compare(running.folder, *sides)
    return 0


def compare(folder: Path, plain: Side, other: Side) -> None:
    """Print how the rate and the CPU time of an event differ, for each load."""
    single, batches = singles(folder), batches_of(_BATCH, folder)
    for name, requests, connections, events in (
        ("64 connections, single events", single, 64, 1),
        ("256 connections, single events", single, 256, 1),
        (f"8 connections, batches of {_BATCH}", batches, 8, _BATCH),
    ):
        measures: dict[str, Callable[[], dict[str, float]]] = {
            key: partial(_turn, each, requests, connections, events)
            for key, each in (("plain", plain), ("other", other))
        }
        found = alternate(measures, ROUNDS)
        print(name)
        for what in found["plain"][0]:
            ours, theirs = ([turn[what] for turn in found[key]] for key in ("other", "plain"))
            share, medians = ratio(ours, theirs), (spread(each).median for each in (ours, theirs))
            rounded = " / ".join(f"{each:,.1f}" for each in medians)
            print(f"  {what}: {share.median:.2f} ({share.low:.2f} to {share.high:.2f}), {rounded}")


@contextmanager
def with_replica(running: Bench) -> Iterator[tuple[Side, Side]]:
    """Yield a service that waits for no replica, and one that does; the queue has one."""
    print("\nACTIVITY_QUEUE_REPLICAS=1 / =0, both with a replica, on a Unix socket")
    settings = running.servers.settings
    with (
        _replica(running),
        service(settings(), workers=0) as plain,
        service(settings(queue_replicas=1), workers=0) as waiting,
    ):
        yield Side(plain, running.empty_queue), Side(waiting, running.empty_queue)


@contextmanager
def on_a_cluster(running: Bench) -> Iterator[tuple[Side, Side]]:
    """Yield a service whose queue is one server, and one whose queue is a cluster."""
    print("\nthree primaries / one server, on TCP, without replicas")
    with (
        one_server(maxmemory=QUEUE_MAXMEMORY) as one,
        cluster_nodes(replicas=0, maxmemory=QUEUE_MAXMEMORY) as cluster,
        _on(running, f"redis://127.0.0.1:{one.port}/0", [one]) as plain,
        _on(running, cluster.url, cluster.nodes) as clustered,
    ):
        yield plain, clustered


@contextmanager
def _on(running: Bench, url: str, servers: Sequence[Node]) -> Iterator[Side]:
    settings = running.servers.settings().model_copy(update={"queue_url": url})
    with service(settings, workers=0) as ours:
        yield Side(ours, partial(_empty, running, servers))


def _empty(running: Bench, servers: Sequence[Node]) -> None:
    running.empty_control()
    for each in servers:
        with redis.Redis(port=each.port) as client:
            empty_queue(client)


@contextmanager
def _replica(running: Bench) -> Iterator[None]:
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


def _turn(side: Side, requests: Path, connections: int, events: int) -> dict[str, float]:
    side.empty()
    process = [side.service.apis[0].pid]
    cpu, (sent, calls) = cpu_seconds(process), _groups(side.service)
    load = run(side.service.url, requests, connections, SECONDS)
    used = cpu_seconds(process) - cpu
    sent_after, calls_after = _groups(side.service)
    accepted = (load.requests - load.refused) * events
    return {
        "events/s": load.rate * events,
        "µs of CPU of the API process per event": used / accepted * 1e6,
        "events per call": (sent_after - sent) / (calls_after - calls),
    }


def _groups(ours: Service) -> tuple[float, float]:
    """Return how many events went to the queue, and in how many calls."""
    told = dict(line.rsplit(" ", 1) for line in ours.http.get("/metrics").text.splitlines())
    name = GROUP_COMMIT_EVENTS.name
    return float(told[f"{name}_sum"]), float(told[f"{name}_count"])


if __name__ == "__main__":
    sys.exit(main())
