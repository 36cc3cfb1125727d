"""A Valkey server on a Unix socket: the durable queue, or the disposable control."""

import logging
import re
import shlex
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from urllib.parse import quote

from cli.embedded.aof_folder import AofFolder, create_empty
from cli.embedded.aof_tail import cut_zero_tail
from cli.embedded.binaries import checking_program
from cli.embedded.layout import private_folder
from cli.embedded.server import Server, ServerContext
from cli.errors import ServerFailed
from cli.safe_files import sync_folder

log = logging.getLogger(__name__)

_ANSWER_SECONDS = 1.0

# An answered write is on disk, and a full queue refuses writes instead of evicting keys.
_DURABLE = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}
_DISPOSABLE = {"appendonly": "no", "maxmemory-policy": "volatile-lru"}
_CONTROL_MAXMEMORY = "256mb"
_damaged_file = re.compile(
    r"reading the append only file (appendonly\.aof\.[0-9]+\.incr\.aof)"
).search


class Valkey(Server):
    """A Valkey server."""

    stop_signal = signal.SIGTERM

    def __init__(self, role: str, context: ServerContext, settings: dict[str, str]) -> None:
        super().__init__(role, context)
        self._settings = settings
        self.socket = context.run / f"{role}.sock"

    @property
    def folder(self) -> Path:
        """Return the folder of the data."""
        return self._context.layout.valkey(self.role)

    @property
    def url(self) -> str:
        """Return the address for redis-py."""
        return f"unix://{quote(str(self.socket))}?db=0"

    def prepare(self) -> None:
        """Create the data folder if it is missing. Raises `OSError`."""
        private_folder(self.folder, self._context.account)

    def argv(self) -> list[str]:
        """Return the command line with every setting."""
        settings = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": str(self.folder),
            "daemonize": "no",
            "save": "",
            **self._settings,
        }
        pairs = [(f"--{name}", value) for name, value in settings.items()]
        return [str(self._context.programs.valkey), *(part for pair in pairs for part in pair)]

    def is_ready(self) -> bool:
        """Return whether PING answers PONG. A server that loads its data answers LOADING."""
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(_ANSWER_SECONDS)
                connection.connect(str(self.socket))
                connection.sendall(b"PING\r\n")
                return connection.recv(64).startswith(b"+PONG")
        except OSError:
            return False


class Queue(Valkey):
    """The durable Valkey server: every answered write survives a kill -9."""

    def __init__(self, context: ServerContext, maxmemory: str) -> None:
        """`maxmemory` has Valkey's form, such as `1gb`."""
        super().__init__("queue", context, {**_DURABLE, "maxmemory": maxmemory})

    def prepare(self) -> None:
        """Create the data folder under another name, then rename it: a kill leaves no partial one.

        Valkey writes the manifest last. If it made the files itself, a kill before that would leave
        files without a manifest, which look like a queue that lost its manifest.
        """
        if not self.folder.exists():
            incomplete = self.folder.with_name("queue.making")
            if incomplete.exists():
                shutil.rmtree(incomplete)
            create_empty(private_folder(incomplete, self._context.account), self._context.account)
            incomplete.rename(self.folder)
            sync_folder(self.folder.parent)
        super().prepare()

    def spawn(self) -> subprocess.Popen[bytes]:
        """Repair the file after a power cut, then start. Raises `ServerFailed`, `OSError`."""
        folder = AofFolder(self.folder)
        folder.require_manifest()
        if cut := cut_zero_tail(folder):
            self._log.write_line(str(cut))
            log.warning("%s", cut)
        return super().spawn()

    def _failure(self, what: str) -> ServerFailed:
        failure = super()._failure(what)
        damaged = _damaged_file(str(failure))
        if damaged is None:
            return failure
        link = checking_program(self._context.programs.valkey, self._context.layout.programs)
        return ServerFailed(f"{failure}\n{_how_to_fix(link, AofFolder(self.folder), damaged[1])}")


def _how_to_fix(program: Path, folder: AofFolder, name: str) -> str:
    # Check the file, not the manifest: given the manifest, this version mistakes a snapshot beside
    # it for a damaged file, and refuses.
    fix = shlex.join([str(program), "--fix", folder.path_of(name)])
    copy = shlex.join(["cp", "-a", str(folder.path), f"{folder.path}.copy"])
    return (
        "A file of the queue is damaged; it was not changed. Make a copy, then cut the file off at "
        "the damage (events after it remain only in the copy):\n"
        f"  {copy}\n  {fix}"
    )


def control_server(context: ServerContext) -> Valkey:
    """Return control: it keeps nothing over a restart, and evicts keys when memory is full."""
    return Valkey("control", context, {**_DISPOSABLE, "maxmemory": _CONTROL_MAXMEMORY})
