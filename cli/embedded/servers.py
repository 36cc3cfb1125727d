"""The three servers of one data folder, started together and stopped in order."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from cli.embedded.account import require_reach, server_account
from cli.embedded.binaries import Programs, copied_programs, installed_programs
from cli.embedded.folder import checked_folder
from cli.embedded.layout import Layout, create, fresh_run_folder, remove_run_folder
from cli.embedded.lock import Pause, folder_lock
from cli.embedded.postgres import Postgres
from cli.embedded.server import Server, ServerContext
from cli.embedded.valkey import Queue, Valkey, control_server
from cli.process.spawn import Account
from cli.urls import Urls

QUEUE_MAXMEMORY = "1gb"


@dataclass(frozen=True)
class Servers:
    """The running servers; each can be stopped, killed and restarted on its own."""

    layout: Layout
    lock_fd: int
    queue: Valkey
    control: Valkey
    postgres: Postgres

    @property
    def urls(self) -> Urls:
        """Where the three are."""
        return Urls(self.queue.url, self.control.url, self.postgres.url)

    @property
    def all(self) -> tuple[Server, ...]:
        """In the order of stopping backwards: what the others need comes first."""
        return (self.postgres, self.queue, self.control)

    def rotate_logs(self) -> None:
        """Keep each server's log small. Does not wait; call it now and then."""
        for server in self.all:
            server.rotate_log()

    def pids(self) -> dict[str, int]:
        """The pid of each server that runs, by role."""
        return {server.role: server.pid for server in self.all if server.pid is not None}


@contextmanager
def embedded_servers(
    data_dir: Path, *, queue_maxmemory: str = QUEUE_MAXMEMORY, pause: Pause = time.sleep
) -> Iterator[Servers]:
    """PostgreSQL, queue and control on `data_dir`, ready while the block runs.

    The folder is made if it is missing; what it holds survives. Main thread only. Raises
    `EmbeddedError` and `OSError`.
    """
    layout, account = prepare_folder(data_dir)
    with (
        folder_lock(layout.lock, pause=pause) as lock_fd,
        running_servers(layout, account, lock_fd, queue_maxmemory, pause) as servers,
    ):
        yield servers


def prepare_folder(data_dir: Path) -> tuple[Layout, Account | None]:
    """Make the data folder, and say which user its servers run as (None: we ourselves).

    Raises `FolderError`, `UnsafeFolder` or `Unreachable` before anything is made.
    """
    root = checked_folder(data_dir)
    account = server_account(Layout(root).cluster)
    if account:
        # Asked before anything is made: a refusal should leave no empty folder behind.
        require_reach(account, root)
    return create(root, account), account


@contextmanager
def running_servers(
    layout: Layout,
    account: Account | None,
    lock_fd: int,
    queue_maxmemory: str = QUEUE_MAXMEMORY,
    pause: Pause = time.sleep,
) -> Iterator[Servers]:
    """As `embedded_servers`, for a caller that holds the folder's lock already."""
    with ExitStack() as stack:
        programs = _programs(layout, account)
        stack.callback(remove_run_folder, layout)
        run = fresh_run_folder(layout, account)
        place = ServerContext(layout, run, programs, account, lock_fd)
        servers = Servers(
            layout,
            lock_fd,
            Queue(place, queue_maxmemory),
            control_server(place),
            Postgres(place),
        )
        # Unwound from the end: control first, because only hints are lost with it, then the
        # queue, whose drains still need PostgreSQL, and PostgreSQL last.
        for server in servers.all:
            stack.callback(server.stop)
        _start(servers, pause)
        yield servers


def _start(servers: Servers, pause: Pause) -> None:
    """Start all three before waiting for any; PostgreSQL last, a new cluster takes a while."""
    for server in reversed(servers.all):
        server.prepare()
        server.spawn()
    for server in servers.all:
        server.wait_ready(pause)


def _programs(layout: Layout, account: Account | None) -> Programs:
    return copied_programs(layout.programs) if account else installed_programs()
