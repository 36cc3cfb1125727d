"""Put a relay in front of a server, and count the client's round trips."""

import selectors
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_CHUNK = 1 << 16


class Relay:
    """A relay between clients and a server, for one client at a time.

    `turns` counts round trips: how often a client sent after the server did, or first. `heard` is
    what the client receives of the server's bytes.
    """

    def __init__(
        self, path: Path, server: str, heard: Callable[[bytes], bytes] = lambda said: said
    ) -> None:
        self.turns = 0
        self._heard = heard
        self._server = server
        self._selector = selectors.DefaultSelector()
        self._others: dict[socket.socket, socket.socket] = {}
        self._asking: dict[socket.socket, bool] = {}  # of each client: whether it sent last
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._end, self._ended = socket.socketpair()
        for one in (self._listener, self._ended):
            self._selector.register(one, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, name="relay")
        self._thread.start()

    def close(self) -> None:
        """Close all connections."""
        self._end.close()
        self._thread.join(10)
        for one in (self._listener, self._ended, *self._others):
            one.close()
        self._selector.close()

    def _run(self) -> None:
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._ended:
                    return
                if key.fileobj is self._listener:
                    self._accept()
                elif key.fileobj in self._others:
                    try:
                        self._pass_on(key.fileobj)
                    except OSError:  # one of both was killed
                        self._hang_up(key.fileobj, self._others[key.fileobj])

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        server = socket.socket(socket.AF_UNIX)
        server.connect(self._server)
        self._others |= {client: server, server: client}
        self._asking[client] = False
        for one in (client, server):
            self._selector.register(one, selectors.EVENT_READ)

    def _pass_on(self, speaker: socket.socket) -> None:
        said = speaker.recv(_CHUNK)
        listener = self._others[speaker]
        if not said:
            self._hang_up(speaker, listener)
            return
        if speaker in self._asking:
            self.turns += not self._asking[speaker]
            self._asking[speaker] = True
        else:
            self._asking[listener] = False
            said = self._heard(said)
        listener.sendall(said)

    def _hang_up(self, *both: socket.socket) -> None:
        for one in both:
            self._selector.unregister(one)
            self._others.pop(one)
            self._asking.pop(one, None)
            one.close()


@contextmanager
def relay(
    path: Path, server: str, heard: Callable[[bytes], bytes] = lambda said: said
) -> Iterator[Relay]:
    """Run a relay that listens on a unix socket, in front of a server on a unix socket."""
    running = Relay(path, server, heard)
    try:
        yield running
    finally:
        running.close()
