"""Start this service or a peer on an empty database and an empty queue."""

import os
import socket
import subprocess
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from sqlalchemy.engine import make_url

from benchmarks.bench import Bench, pids_of
from benchmarks.load import LoadFailed
from benchmarks.peers.installing import PROGRAMS, Installed
from benchmarks.peers.peer import Peer
from benchmarks.peers.rows import Rows
from storage.settings import StorageSettings
from testbed.service import service
from testbed.waiting import wait_until

_FIRST_EVENT = {
    "component": "first",
    "environment": "test",
    "message": "an event with every field",
    "email": "first@example.com",
    "data": {"number": 1},
}
_START_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Running:
    """A running system that stores what is posted: its processes by role, and its rows."""

    url: str
    pids: dict[str, list[int]]
    rows: Rows


@contextmanager
def our_service(bench: Bench) -> Iterator[Running]:
    """Run one API process and two workers, as in the other measurements of the whole service."""
    bench.empty_queue()
    with (
        bench.servers.fresh() as settings,
        service(settings, workers=2) as ours,
        Rows(settings.database_url, "events") as rows,
    ):
        _wait_until_it_stores(ours.url + "/events", rows, "our service", ours.apis + ours.workers)
        yield Running(ours.url, pids_of(ours), rows)


@contextmanager
def peer_service(bench: Bench, peer: Peer, installed: Installed) -> Iterator[Running]:
    """Run a peer's programs on the same servers, over the same sockets."""
    bench.empty_queue()
    log = bench.folder / f"{peer.name}.log"
    port = _free_port()
    with bench.servers.fresh() as settings:
        database = make_url(settings.database_url).database or ""
        if peer.before_start:
            bench.servers.execute(peer.before_start, database)
        found = {**installed.environment, **addresses(settings, port)}
        with (
            _programs(peer, installed.interpreter, found, log) as programs,
            Rows(settings.database_url, peer.table) as rows,
        ):
            url, what = f"http://127.0.0.1:{port}", f"{peer.name}, whose log is {log},"
            _wait_until_it_stores(url + peer.target, rows, what, programs.values())
            if peer.after_first_event:
                bench.servers.execute(peer.after_first_event, database)
            yield Running(url, {role: [one.pid] for role, one in programs.items()}, rows)


def addresses(settings: StorageSettings, port: int) -> dict[str, str]:
    """Return the addresses of the servers for a peer's programs, and its own."""
    database = make_url(settings.database_url)
    return {
        "PGHOST": str(database.query["host"]),  # the folder of the sockets
        "PGUSER": database.username or "",
        "PGDATABASE": database.database or "",
        "PEER_QUEUE_URL": settings.queue_url,
        "PEER_PORT": str(port),
    }


@contextmanager
def _programs(
    peer: Peer, interpreter: str, environment: dict[str, str], log: Path
) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """Run the programs, then kill them: unfinished work is discarded together with the database."""
    found: dict[str, subprocess.Popen[bytes]] = {}
    try:
        with log.open("wb") as output:
            for role, name in peer.programs.items():
                found[role] = subprocess.Popen(
                    [interpreter, str(PROGRAMS / name)],
                    cwd=log.parent,
                    env={**os.environ, **environment},
                    stdout=output,
                    stderr=output,
                )
        yield found
    finally:
        for program in found.values():
            program.kill()
            program.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _wait_until_it_stores(
    url: str, rows: Rows, what: str, processes: Collection[subprocess.Popen[bytes]]
) -> None:
    """Post until an event is in the table. Raises LoadFailed when a process ends."""

    def stores() -> bool:
        if any(process.poll() is not None for process in processes):
            raise LoadFailed(f"{what} ended instead of storing events")
        try:
            answer = httpx.post(url, json=_FIRST_EVENT, timeout=20, trust_env=False)
        except httpx.TransportError:
            return False
        return answer.is_success and rows.count() > 0

    wait_until(stores, f"{what} to store an event", _START_SECONDS)
