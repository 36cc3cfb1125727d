"""Start the three servers of a data folder together, and stop them in order."""

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
from cli.embedded.major import require_same_major
from cli.embedded.postgres import Postgres
from cli.embedded.server import Server, ServerContext
from cli.embedded.unfinished import refuse_unfinished
from cli.embedded.valkey import Queue, Valkey, control_server
from cli.process.spawn import Account
from cli.urls import Urls

QUEUE_MAXMEMORY = "1gb"


@dataclass(frozen=True)
class Servers:
    """The running servers. Each can be stopped, killed and restarted separately."""

    layout: Layout
    lock_fd: int
    queue: Valkey
    control: Valkey
    postgres: Postgres

    @property
    def urls(self) -> Urls:
        """Return the addresses of the servers."""
        return Urls(self.queue.url, self.control.url, self.postgres.url)

    @property
    def all(self) -> tuple[Server, ...]:
        """Return the servers, each before those that need it. They stop in reverse order."""
        return (self.postgres, self.queue, self.control)

    def rotate_logs(self) -> None:
        """Keep every log small. Does not wait; call it regularly."""
        for server in self.all:
            server.rotate_log()

    def pids(self) -> dict[str, int]:
        """Return the pid of each running server, by role."""
        return {server.role: server.pid for server in self.all if server.pid is not None}


@contextmanager
def embedded_servers(
    data_dir: Path, *, queue_maxmemory: str = QUEUE_MAXMEMORY, pause: Pause = time.sleep
) -> Iterator[Servers]:
    """Run PostgreSQL, queue and control on `data_dir` while the block runs.

    Creates the folder if it is missing, and keeps its data. Main thread only. Raises
    `EmbeddedError`, `OSError`.
    """
    layout, account = prepare_folder(data_dir)
    with folder_lock(layout.lock, pause=pause) as lock_fd:
        refuse_unfinished(layout)
        with running_servers(layout, account, lock_fd, queue_maxmemory, pause) as servers:
            yield servers


def prepare_folder(data_dir: Path) -> tuple[Layout, Account | None]:
    """Create the data folder, and return the user for its servers (None means this user).

    Raises `FolderError`, `UnsafeFolder` or `Unreachable` before it creates anything.
    """
    root = checked_folder(data_dir)
    account = server_account(Layout(root).cluster)
    if account:
        # Check this first: a refusal should leave no empty folder.
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
    """Run the servers like `embedded_servers`, for a caller that holds the lock of the folder.

    Raises `OtherMajor`, before it changes anything.
    """
    with ExitStack() as stack:
        programs = programs_for(layout, account)
        require_same_major(layout.cluster, programs.postgres)
        stack.callback(remove_run_folder, layout)
        run = fresh_run_folder(layout, account)
        context = ServerContext(layout, run, programs, account, lock_fd)
        servers = Servers(
            layout,
            lock_fd,
            Queue(context, queue_maxmemory),
            control_server(context),
            Postgres(context),
        )
        # The stack unwinds from the end: control stops first, because it holds only hints, then
        # the queue, whose drains still need PostgreSQL, then PostgreSQL.
        for server in servers.all:
            stack.callback(server.stop)
        _start(servers, pause)
        yield servers


def _start(servers: Servers, pause: Pause) -> None:
    """Start all three before waiting for any; PostgreSQL last, because creating one is slow."""
    for server in reversed(servers.all):
        server.prepare()
        server.spawn()
    for server in servers.all:
        server.wait_ready(pause)


def programs_for(layout: Layout, account: Account | None) -> Programs:
    """Return the programs of the installed wheels, where the servers' user can run them."""
    return copied_programs(layout.programs) if account else installed_programs()
