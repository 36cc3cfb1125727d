"""A Valkey server on a unix socket: the queue, which keeps everything, or control."""

import signal
import socket
from pathlib import Path
from urllib.parse import quote

from cli.embedded.layout import private_folder
from cli.embedded.server import Place, Server

_ANSWER_SECONDS = 1.0

# An answered write is on the disk, and a full queue refuses instead of forgetting.
_DURABLE = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}
_DISPOSABLE = {"appendonly": "no", "maxmemory-policy": "volatile-lru"}
_CONTROL_MAXMEMORY = "256mb"


class Valkey(Server):
    """One Valkey server."""

    stop_signal = signal.SIGTERM

    def __init__(self, role: str, place: Place, settings: dict[str, str]) -> None:
        super().__init__(role, place)
        self._settings = settings
        self.socket = place.run / f"{role}.sock"

    @property
    def folder(self) -> Path:
        return self._place.layout.valkey(self.role)

    @property
    def url(self) -> str:
        """As redis-py reads it."""
        return f"unix://{quote(str(self.socket))}?db=0"

    def prepare(self) -> None:
        private_folder(self.folder, self._place.account)

    def argv(self) -> list[str]:
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
        return [str(self._place.programs.valkey), *(part for pair in pairs for part in pair)]

    def is_ready(self) -> bool:
        """Whether PING is answered; a server that loads its data says LOADING instead."""
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(_ANSWER_SECONDS)
                connection.connect(str(self.socket))
                connection.sendall(b"PING\r\n")
                return connection.recv(64).startswith(b"+PONG")
        except OSError:
            return False


def queue_server(place: Place, maxmemory: str) -> Valkey:
    """The queue: every answered write survives a kill -9; `maxmemory` as Valkey reads it."""
    return Valkey("queue", place, {**_DURABLE, "maxmemory": maxmemory})


def control_server(place: Place) -> Valkey:
    """Control: nothing is kept over a restart, and old keys make room for new ones."""
    return Valkey("control", place, {**_DISPOSABLE, "maxmemory": _CONTROL_MAXMEMORY})
