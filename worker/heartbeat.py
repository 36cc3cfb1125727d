"""The heartbeat: keeps a lease while its drain is busy in PostgreSQL."""

from types import TracebackType

from storage.errors import LeaseLost
from storage.periodic import PeriodicThread
from storage.queue.lease import ShardLease


class Heartbeat(PeriodicThread):
    """A thread that renews a lease three times a term. A paused process renews nothing."""

    def __init__(self, lease: ShardLease, lease_ms: int) -> None:
        super().__init__("heartbeat", lease_ms / 3000)
        self._lease = lease

    def __enter__(self) -> None:
        self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop(seconds=None)  # no renewal may follow the lease's release

    def run_once(self) -> None:
        """Renew the lease. Raises QueueUnavailable. Ends the thread once the lease is lost."""
        try:
            self._lease.renew()
        except LeaseLost:
            self.request_stop()  # the drain finds out at its next step
