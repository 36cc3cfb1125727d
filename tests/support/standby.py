"""Two PostgreSQL servers on Unix sockets, each of which can follow the other."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg2

from cli.backup.programs import run_to_end
from cli.embedded.account import server_account
from cli.embedded.binaries import copied_programs, installed_programs
from cli.embedded.postgres import NAME, PORT, initdb_options
from cli.process.spawn import kill, spawn
from cli.settings import server_environment
from testbed.waiting import wait_until
from tests.support.data_folders import reachable_folder
from tests.support.freezing import frozen

SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),
    "max_connections": "100",  # a standby needs as many as its primary has
    "shared_buffers": "32MB",
    "fsync": "off",  # programs are killed here, and no machine
}


class Member:
    """One of the servers. Main thread only."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "first"
        self._account = server_account(folder)
        found = copied_programs(folder.parent / "programs") if self._account else None
        self._programs = (found or installed_programs()).postgres.parent
        self._times = 0
        self._process: subprocess.Popen[bytes] | None = None
        self.socket = folder
        folder.mkdir(mode=0o755)
        if self._account:
            shutil.chown(folder, self._account.uid, self._account.gid)

    @property
    def log(self) -> str:
        """Return what the server has logged since its last start."""
        return self.folder.with_suffix(".log").read_text()

    def make(self) -> None:
        """Make a cluster, start it, and create the database."""
        self._run("initdb", *initdb_options(self.folder), "--no-sync")
        self.start()
        self.sql(f"CREATE DATABASE {NAME}", "postgres")

    def follow(self, primary: "Member") -> None:
        """Become a standby, with a new copy of the primary, and start."""
        self.follow_server_at(primary.socket)

    def follow_server_at(self, socket: Path) -> None:
        """Become a standby likewise; `socket` is the folder with the primary's socket."""
        self._times += 1
        self.folder = self.folder.with_name(f"copy{self._times}")
        self._run(
            "pg_basebackup", "-h", str(socket), "-p", str(PORT), "-U", NAME,
            "-D", str(self.folder), "-R", "-X", "stream", "-c", "fast", "--no-sync",
        )  # fmt: skip
        self.start()

    def start(self) -> None:
        """Start, and wait until it takes connections."""
        settings = {**SETTINGS, "unix_socket_directories": str(self.socket)}
        options = [part for pair in settings.items() for part in ("-c", "=".join(pair))]
        with self.folder.with_suffix(".log").open("wb") as log:
            self._process = spawn(
                [str(self._programs / "postgres"), "-D", str(self.folder), *options],
                server_environment(),
                account=self._account,
                cwd=self.socket,
                output=log,
            )
        ready = self.folder / "postmaster.pid"
        wait_until(lambda: ready.exists() and "ready" in ready.read_text(), "PostgreSQL to start")

    def kill(self) -> None:
        """Kill it with SIGKILL."""
        if self._process:
            kill(self._process)
            self._process = None

    def start_again(self) -> None:
        """Start after a kill, with its own data."""
        (self.folder / "postmaster.pid").unlink(missing_ok=True)  # it says that it is ready
        self.start()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Freeze all of its processes for the block."""
        assert self._process
        with frozen(self._process.pid):
            yield

    def replay(self, *, delay: str = "0", is_paused: bool = False) -> None:
        """Let a standby replay at once, late, or not at all."""
        self.sql(f"ALTER SYSTEM SET recovery_min_apply_delay = '{delay}'")
        self.sql("SELECT pg_reload_conf()")
        self.sql(f"SELECT pg_wal_replay_{'pause' if is_paused else 'resume'}()")
        state = [("paused" if is_paused else "not paused",)]
        wait_until(
            lambda: self.sql("SELECT pg_get_wal_replay_pause_state()") == state, "the replay"
        )

    def promote(self) -> None:
        """Make a primary of a standby."""
        self._run("pg_ctl", "promote", "-D", str(self.folder))

    def sql(self, statement: str, database: str = NAME) -> list[tuple[Any, ...]]:
        """Run a statement by itself."""
        with closing(
            psycopg2.connect(host=str(self.socket), port=PORT, user=NAME, dbname=database)
        ) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []

    def _run(self, program: str, *arguments: str) -> None:
        ended = run_to_end(
            [str(self._programs / program), *arguments], account=self._account, cwd=self.socket
        )
        assert ended.status == 0, ended.said


@contextmanager
def two_servers(*, waits_for_standby: bool = True) -> Iterator[tuple[Member, Member]]:
    """Yield a primary and its standby, for which each commit waits, unless told otherwise."""
    with reachable_folder() as folder:
        members = Member(folder / "a"), Member(folder / "b")
        primary, standby = members
        try:
            primary.make()
            standby.follow(primary)
            if waits_for_standby:
                primary.sql("ALTER SYSTEM SET synchronous_standby_names = '*'")
                primary.sql("SELECT pg_reload_conf()")
                wait_until(lambda: is_synchronous(primary), "a synchronous standby")
            yield members
        finally:
            for member in members:
                member.kill()


def is_synchronous(primary: Member) -> bool:
    """Return whether commits wait for a connected standby."""
    return ("sync",) in primary.sql("SELECT sync_state FROM pg_stat_replication")


def address_of_one(member: Member, database: str = NAME) -> str:
    """Return the address of one server."""
    return f"postgresql://{NAME}@/{database}?host={member.socket}&port={PORT}"


def address_of(*members: Member) -> str:
    """Return the address that lists these servers, in libpq's own form."""
    hosts = ",".join(f"{quote(str(each.socket), safe='')}:{PORT}" for each in members)
    return f"postgresql://{NAME}@{hosts}/{NAME}"
