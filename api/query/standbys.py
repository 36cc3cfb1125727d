"""The standbys that the readers of this process may use, and what is known of each."""

from collections.abc import Callable, Sequence
from typing import Any

from storage.cache.committed_wal import CommittedWal
from storage.host_list import each_host
from storage.postgres.read_router import ReadRouter
from storage.postgres.standby import Standby, StandbyView, StandbyWatch
from storage.settings import StorageSettings


class Standbys:
    """The standbys of `ACTIVITY_READ_URL`; none by default, and then the primary is read."""

    def __init__(self, storage: StorageSettings, grace_ms: int) -> None:
        self._known = [
            (Standby(name), url)
            for name, url in (each_host(storage.read_url) if storage.read_url else ())
        ]
        self._committed = CommittedWal(storage.control_url, grace_ms)
        required = self._committed.position
        self._watches = [StandbyWatch(standby, url, required) for standby, url in self._known]

    def router(self, primary: Any, engine_of: Callable[[str], Any]) -> ReadRouter:
        """Return the router of one kind of reader, who must close it.

        `engine_of` makes an engine like `primary`, for the address of a standby.
        """
        engines = [(standby, engine_of(url)) for standby, url in self._known]
        return ReadRouter(primary, engines, self._committed.position)

    def views(self) -> Sequence[StandbyView]:
        """Return what is known of each standby now."""
        return [standby.view() for standby, _ in self._known]

    def start(self) -> None:
        """Begin to look at the standbys: until then none is read from."""
        for watch in self._watches:
            watch.start()

    def close(self) -> None:
        """Stop looking at them."""
        for watch in self._watches:
            watch.request_stop()
        for watch in self._watches:
            watch.stop()
        self._committed.close()
