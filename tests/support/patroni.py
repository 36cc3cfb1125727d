"""Two PostgreSQL servers that Patroni keeps, with an etcd, if both are installed."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg2
import pytest

from cli.embedded.account import server_account
from cli.embedded.binaries import copied_programs, installed_programs
from cli.embedded.postgres import NAME
from cli.process.inspection import command_line
from cli.process.spawn import Account, kill, spawn
from cli.settings import server_environment
from testbed.ports import free_ports
from testbed.waiting import wait_until
from tests.support.data_folders import reachable_folder
from tests.support.freezing import with_children

HOST = "127.0.0.1"
TTL = 20  # seconds without a sign of life of the primary, then a standby may be promoted
SECONDS = 120  # of each wait, on a busy machine

_PATRONI, _ETCD = shutil.which("patroni"), shutil.which("etcd")
needs_patroni = pytest.mark.skipif(
    not (_PATRONI and _ETCD), reason="patroni or etcd is not installed"
)

_BOOTSTRAP = {
    "dcs": {
        "ttl": TTL,
        "loop_wait": 2,
        "retry_timeout": 8,
        "synchronous_mode": True,
        "postgresql": {
            "use_pg_rewind": True,
            "parameters": {
                "max_connections": 60,
                "shared_buffers": "32MB",
                "fsync": "off",  # programs are killed here, and no machine
            },
        },
    },
    "initdb": [
        {"encoding": "UTF8"},
        {"locale": "C"},
        {"locale-provider": "builtin"},
        {"builtin-locale": "C.UTF-8"},
        "no-sync",
    ],
}
_ACCESS = [f"host {what} all {HOST}/32 trust" for what in ("all", "replication")]


@dataclass
class PatroniNode:
    """A PostgreSQL server and the Patroni that runs it. Main thread only."""

    folder: Path
    port: int
    rest_port: int
    config: Path
    account: Account | None
    _patroni: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self) -> None:
        """Start Patroni, which starts PostgreSQL."""
        assert _PATRONI
        self._patroni = _spawn(self.folder, self.account, [_PATRONI, str(self.config)])

    def kill(self) -> None:
        """Kill Patroni, and then PostgreSQL, with SIGKILL: as if the machine were lost."""
        if self._patroni is not None:
            kill(self._patroni)
            self._patroni = None
        pids = self._postgres()
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not any(map(command_line, pids)), "the end of PostgreSQL", SECONDS)

    def _postgres(self) -> list[int]:
        """Return the processes of PostgreSQL, the first one first; none if it does not run."""
        file = self.folder / "data" / "postmaster.pid"
        first = int(file.read_text().split(maxsplit=1)[0]) if file.exists() else 0
        runs = first and str(self.folder) in command_line(first)  # the file may be of a killed one
        return with_children(first) if runs else []

    def role(self) -> str:
        """Return what Patroni says of it: `primary`, `sync_standby`, ...; empty without answer."""
        assert self._patroni is None or self._patroni.poll() is None, self.log
        try:
            told = httpx.get(f"http://{HOST}:{self.rest_port}/cluster", trust_env=False).json()
        except httpx.TransportError:
            return ""
        states = {each["name"]: each for each in told["members"]}
        found = states.get(str(self.port), {})
        return str(found.get("role", "")) if found.get("state") in ("running", "streaming") else ""

    @property
    def log(self) -> str:
        """Return what Patroni and PostgreSQL have said."""
        return (self.folder / "log").read_text()

    def sql(self, statement: str, database: str = NAME) -> list[tuple[Any, ...]]:
        """Run a statement by itself."""
        with closing(
            psycopg2.connect(host=HOST, port=self.port, user=NAME, dbname=database)
        ) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []


def address_of(*nodes: PatroniNode) -> str:
    """Return the address that lists these servers."""
    hosts = ",".join(f"{HOST}:{each.port}" for each in nodes)
    return f"postgresql://{NAME}@{hosts}/{NAME}"


@contextmanager
def patroni_pair() -> Iterator[tuple[PatroniNode, PatroniNode]]:
    """Yield a primary and its synchronous standby, with the service's empty database."""
    with reachable_folder() as folder, _etcd(folder) as etcd:
        primary, standby = nodes = (_node(folder, etcd), _node(folder, etcd))
        try:
            primary.start()
            wait_until(lambda: is_primary(primary), "a primary", SECONDS)
            primary.sql(f"CREATE DATABASE {NAME}", "postgres")
            standby.start()
            wait_until(lambda: is_synchronous(standby), "a synchronous standby", SECONDS)
            yield nodes
        finally:
            for node in nodes:
                node.kill()


def is_primary(node: PatroniNode) -> bool:
    """Return whether Patroni has made it the primary."""
    return node.role() in ("leader", "primary")


def is_synchronous(node: PatroniNode) -> bool:
    """Return whether commits wait for this standby."""
    return node.role() == "sync_standby"


@contextmanager
def _etcd(folder: Path) -> Iterator[str]:
    """Run an etcd for the block, and yield its HOST:PORT."""
    assert _ETCD
    clients, peers = (f"{HOST}:{port}" for port in free_ports(2))
    home = _owned(folder / "etcd", server_account(folder))
    process = _spawn(
        home,
        server_account(folder),
        [
            _ETCD,
            f"--data-dir={home}/data",
            f"--listen-client-urls=http://{clients}",
            f"--advertise-client-urls=http://{clients}",
            f"--listen-peer-urls=http://{peers}",
            f"--initial-advertise-peer-urls=http://{peers}",
            f"--initial-cluster=default=http://{peers}",
        ],
    )
    try:
        wait_until(lambda: _is_healthy(clients), "etcd", SECONDS)
        yield clients
    finally:
        kill(process)


def _is_healthy(etcd: str) -> bool:
    try:
        return httpx.get(f"http://{etcd}/health", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def _node(folder: Path, etcd: str) -> PatroniNode:
    account = server_account(folder)
    programs = copied_programs(folder / "programs") if account else installed_programs()
    port, rest_port = free_ports(2)
    home = _owned(folder / f"node{port}", account)
    config = home / "patroni.yml"
    config.write_text(  # JSON is YAML
        json.dumps(
            {
                "scope": "activity",
                "name": str(port),
                "restapi": dict.fromkeys(("listen", "connect_address"), f"{HOST}:{rest_port}"),
                "etcd3": {"host": etcd},
                "bootstrap": _BOOTSTRAP,
                "postgresql": _postgresql(home, port, programs.postgres.parent),
            }
        )
    )
    return PatroniNode(home, port, rest_port, config, account)


def _postgresql(home: Path, port: int, programs: Path) -> dict[str, Any]:
    return {
        **dict.fromkeys(("listen", "connect_address"), f"{HOST}:{port}"),
        "data_dir": f"{home}/data",
        "bin_dir": str(programs),
        "pgpass": f"{home}/pgpass",
        "pg_hba": ["local all all trust", *_ACCESS],
        "authentication": {
            "superuser": {"username": NAME},
            "replication": {"username": "replicator"},
        },
        "parameters": {"unix_socket_directories": str(home)},
        "basebackup": [{"checkpoint": "fast"}, "no-sync"],
    }


def _owned(folder: Path, account: Account | None) -> Path:
    folder.mkdir(mode=0o755)
    if account:
        shutil.chown(folder, account.uid, account.gid)
    return folder


def _spawn(home: Path, account: Account | None, argv: list[str]) -> subprocess.Popen[bytes]:
    with (home / "log").open("ab") as log:
        return spawn(argv, server_environment(), account=account, cwd=home, output=log)
