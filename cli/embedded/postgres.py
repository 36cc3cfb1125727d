"""A PostgreSQL server on a Unix socket, with the superuser and database `activity`."""

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
_SHARED_MEMORY_TRIES = 20
_SHARED_MEMORY_PAUSE_SECONDS = 0.25

# For a machine shared with the API and the workers; `compose.yaml` has the same settings. The
# trigram index changes pages everywhere. Each page goes whole into the WAL at its first change
# after a checkpoint. Compressing them (this build has only pglz) took longer than writing them.
SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "256MB",  # the least; see `buffers_mib`
    "max_wal_size": "4GB",
    "wal_compression": "off",
    "fsync": "on",
    "synchronous_commit": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # Statements, and the details of errors, have the values of events.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}


_MIN_BUFFERS_MIB = 256
_MAX_BUFFERS_MIB = 2048
_SHARE_OF_MEMORY = 8


def buffers_mib(memory: int) -> int:
    """Return the size of shared_buffers for `memory` MiB of memory.

    Inserts change index pages of the current partition everywhere. A page that does not fit into
    the buffers is written out and soon read again.
    """
    return max(_MIN_BUFFERS_MIB, min(memory // _SHARE_OF_MEMORY, _MAX_BUFFERS_MIB))


def initdb_options(cluster: Path) -> list[str]:
    """Return the options of `initdb` for a new cluster in this folder."""
    return [*_INITDB_OPTIONS, "-U", NAME, "-D", str(cluster)]


class Postgres(Server):
    """The PostgreSQL server of a run."""

    stop_signal = signal.SIGINT  # "fast" shutdown: ends sessions, keeps what they committed

    def __init__(self, context: ServerContext) -> None:
        super().__init__("postgres", context)

    @property
    def folder(self) -> Path:
        """Return the folder of the cluster."""
        return self._context.layout.cluster

    @property
    def url(self) -> str:
        """Return the address for SQLAlchemy. It overrides the `PG*` variables of libpq."""
        host = quote(str(self._context.run))
        return f"postgresql+psycopg2://{NAME}@/{NAME}?host={host}&{_CONNECTION}"

    @property
    def _pid_file(self) -> Path:
        return self.folder / "postmaster.pid"

    def prepare(self) -> None:
        """Create the cluster under another name, then rename it: a kill leaves no partial one."""
        if self.folder.exists():
            return
        incomplete = self.folder.with_name("postgres.making")
        if incomplete.exists():
            shutil.rmtree(incomplete)
        private_folder(incomplete, self._context.account)
        with initdb_program(self._context.programs) as initdb:
            self._run_to_end([str(initdb), *initdb_options(incomplete)], incomplete)
        self._create_database(incomplete)
        incomplete.rename(self.folder)
        sync_folder(self.folder.parent)

    def argv(self) -> list[str]:
        """Return the command line with every setting."""
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
        """Return whether line 8 of `postmaster.pid` says `ready`. Needs no connection."""
        try:
            lines = read_small(self._pid_file).splitlines()
        except (OSError, NotAFile):
            return False
        return len(lines) >= 8 and lines[7].strip() == b"ready"

    def spawn(self) -> subprocess.Popen[bytes]:
        """Start the server. Raises `DataFolderInUse` if another one runs on the folder."""
        self._remove_stale_pid_file()
        return super().spawn()

    def wait_ready(self, pause: Pause = time.sleep, seconds: float = READY_SECONDS) -> None:
        """Wait as for any server, and first for the end of sessions that survived a kill -9."""
        for _ in range(_SHARED_MEMORY_TRIES):
            try:
                return super().wait_ready(pause, seconds)
            except ServerFailed as error:
                if "pre-existing shared memory block" not in str(error):
                    raise
            pause(_SHARED_MEMORY_PAUSE_SECONDS)
            self.spawn()
        return super().wait_ready(pause, seconds)

    def stop(self) -> None:
        """Stop with SIGINT, then SIGQUIT (the next start must recover), then SIGKILL."""
        if self.process is None or end(self.process, self.stop_signal, self.stop_seconds):
            return
        if not end(self.process, signal.SIGQUIT, _QUIT_SECONDS):
            kill(self.process)

    def _remove_stale_pid_file(self) -> None:
        """Remove the pid file of a killed server: another program may have its pid now.

        The run holds the lock, so a live server was started by hand. Raises `DataFolderInUse` for
        such a server.
        """
        try:
            pid = int(read_small(self._pid_file).split(b"\n", 1)[0])
        except FileNotFoundError:
            return
        except NotAFile:  # a link: removed below, its target is not touched
            pid = 0
        except ValueError:  # the server was killed while writing it
            pid = 0
        if pid and str(self.folder) in command_line(pid):
            raise DataFolderInUse(
                f"another PostgreSQL (process {pid}) already runs on {self.folder}: stop it"
            )
        self._pid_file.unlink(missing_ok=True)

    def _create_database(self, cluster: Path) -> None:
        """Create the database in single-user mode, before the cluster gets its final name."""
        single = [str(self._context.programs.postgres), "--single", "-D", str(cluster)]
        with tempfile.TemporaryFile() as statement:
            statement.write(f"CREATE DATABASE {NAME}\n".encode())
            statement.seek(0)
            self._run_to_end([*single, "-c", "exit_on_error=on", "postgres"], cluster, statement)

    def _run_to_end(self, argv: list[str], folder: Path, source: IO[bytes] | None = None) -> None:
        """Run a program and wait for its end. Raises `ServerFailed` if it fails."""
        program = self._run(argv, cwd=folder, source=source)
        if not has_ended(program, _INITDB_SECONDS):
            kill(program)
            raise self._failure(f"could not be prepared within {_INITDB_SECONDS:g} s")
        if program.returncode:
            raise self._failure(f"could not be prepared: {Path(argv[0]).name} failed")
