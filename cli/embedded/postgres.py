"""A PostgreSQL server on a unix socket, with the superuser and database `activity`."""

import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import IO
from urllib.parse import quote

from cli.embedded.binaries import initdb_program
from cli.embedded.layout import private_folder
from cli.embedded.lock import Pause
from cli.embedded.memory import memory_mib
from cli.embedded.server import READY_SECONDS, Server, ServerContext
from cli.errors import DataFolderInUse, NotAFile, ServerFailed
from cli.process.inspection import command_line
from cli.process.spawn import end, has_ended, kill
from cli.safe_files import read_small, sync_folder

NAME = "activity"
PORT = 5432  # part of the socket's name
_CONNECTION = f"port={PORT}&target_session_attrs=any&sslmode=disable&gssencmode=disable"
_INITDB_OPTIONS = [
    "-A",
    "trust",
    "-E",
    "UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
]
_INITDB_SECONDS = 120.0
_QUIT_SECONDS = 5.0
_MEMORY_TRIES = 20
_MEMORY_SECONDS = 0.25

# For a machine shared with the API and the workers; `compose.yaml` says the same. The trigram
# index touches pages all over, and each goes whole into the log at its first change after a
# checkpoint: compressing them (this build has only pglz) cost more than writing them.
SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "256MB",  # where memory is small
    "max_wal_size": "4GB",
    "wal_compression": "off",
    "fsync": "on",
    "synchronous_commit": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


_MIN_BUFFERS_MIB = 256
_MAX_BUFFERS_MIB = 2048
_SHARE_OF_MEMORY = 8


def buffers_mib(memory: int) -> int:
    """PostgreSQL's share of so many MiB of memory.

    The indexes of the partition that is written to are touched all over: a page that finds no
    place is written out for another one, and read again soon.
    """
    return max(_MIN_BUFFERS_MIB, min(memory // _SHARE_OF_MEMORY, _MAX_BUFFERS_MIB))


class Postgres(Server):
    """The one PostgreSQL server."""

    stop_signal = signal.SIGINT  # "fast": sessions are ended, and what they committed stays

    def __init__(self, place: ServerContext) -> None:
        super().__init__("postgres", place)

    @property
    def folder(self) -> Path:
        return self._context.layout.cluster

    @property
    def url(self) -> str:
        """The address for SQLAlchemy. It names all that libpq would take from `PG*` variables."""
        host = quote(str(self._context.run))
        return f"postgresql+psycopg2://{NAME}@/{NAME}?host={host}&{_CONNECTION}"

    @property
    def _pid_file(self) -> Path:
        return self.folder / "postmaster.pid"

    def prepare(self) -> None:
        """Make the cluster under another name and rename it: a kill leaves no half cluster."""
        if self.folder.exists():
            return
        making = self.folder.with_name("postgres.making")
        if making.exists():
            shutil.rmtree(making)
        private_folder(making, self._context.account)
        with initdb_program(self._context.programs) as initdb:
            options = [*_INITDB_OPTIONS, "-U", NAME, "-D", str(making)]
            self._finish([str(initdb), *options], making)
        self._create_database(making)
        making.rename(self.folder)
        sync_folder(self.folder.parent)

    def argv(self) -> list[str]:
        folders = '"' + str(self._context.run).replace('"', '""') + '"'
        settings = {
            **SETTINGS,
            "shared_buffers": f"{buffers_mib(memory_mib())}MB",
            "unix_socket_directories": folders,
        }
        pairs = [("-c", f"{name}={value}") for name, value in settings.items()]
        options = [part for pair in pairs for part in pair]
        return [str(self._context.programs.postgres), "-D", str(self.folder), *options]

    def is_ready(self) -> bool:
        """Whether line 8 of `postmaster.pid` says so: no connection is needed to ask."""
        try:
            lines = read_small(self._pid_file).splitlines()
        except (OSError, NotAFile):
            return False
        return len(lines) >= 8 and lines[7].strip() == b"ready"

    def spawn(self) -> subprocess.Popen[bytes]:
        self._remove_stale_pid_file()
        return super().spawn()

    def wait_ready(self, pause: Pause = time.sleep, seconds: float = READY_SECONDS) -> None:
        """As for any server; sessions that outlive a kill -9 of their server are waited for."""
        for _ in range(_MEMORY_TRIES):
            try:
                return super().wait_ready(pause, seconds)
            except ServerFailed as error:
                if "pre-existing shared memory block" not in str(error):
                    raise
            pause(_MEMORY_SECONDS)
            self.spawn()
        return super().wait_ready(pause, seconds)

    def stop(self) -> None:
        """Fast; then at once, which costs a recovery at the next start; then by force."""
        if self.process is None or end(self.process, self.stop_signal, self.stop_seconds):
            return
        if not end(self.process, signal.SIGQUIT, _QUIT_SECONDS):
            kill(self.process)

    def _remove_stale_pid_file(self) -> None:
        """Remove what a killed server left: its pid may be another program's by now.

        The run's lock is ours, so only a server that was started by hand can be meant; that
        one is left alone. Raises `DataFolderInUse` then.
        """
        try:
            pid = int(read_small(self._pid_file).split(b"\n", 1)[0])
        except FileNotFoundError:
            return
        except NotAFile:  # removed below, and what it leads to is left alone
            pid = 0
        except ValueError:  # killed while it was written
            pid = 0
        if pid and str(self.folder) in command_line(pid):
            raise DataFolderInUse(f"a PostgreSQL (process {pid}) already runs on {self.folder}")
        self._pid_file.unlink(missing_ok=True)

    def _create_database(self, cluster: Path) -> None:
        """In single-user mode, so that a cluster that has its name is complete."""
        single = [str(self._context.programs.postgres), "--single", "-D", str(cluster)]
        with tempfile.TemporaryFile() as statement:
            statement.write(f"CREATE DATABASE {NAME}\n".encode())
            statement.seek(0)
            self._finish([*single, "-c", "exit_on_error=on", "postgres"], cluster, statement)

    def _finish(self, argv: list[str], folder: Path, source: IO[bytes] | None = None) -> None:
        """Run a preparing program to its end."""
        program = self._run(argv, cwd=folder, source=source)
        if not has_ended(program, _INITDB_SECONDS):
            kill(program)
            raise self._failure(f"could not be prepared within {_INITDB_SECONDS:g} s")
        if program.returncode:
            raise self._failure(f"could not be prepared: {Path(argv[0]).name} failed")
