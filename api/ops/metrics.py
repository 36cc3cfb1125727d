"""`GET /metrics`: everything that can be read within a second, for Prometheus.

Each server is asked at once and for a limited time, so one that hangs delays no other figure.
Scrapes that come at the same time share one reading of the servers.
"""

from collections.abc import Callable, Sequence
from importlib.metadata import version

from api.ops.exposition import Exposition, expose, of_instance
from api.ops.server_calls import ServerCalls
from api.ops.service_metrics import of_standbys, samples_of
from api.ops.shared_call import SharedCall
from storage.metrics.process import own
from storage.metrics.samples import Sampled, Values
from storage.metrics.service_catalogue import KEY_EXPIRY
from storage.postgres.standby import StandbyView


class Metrics:
    """The metrics of the service and of this instance."""

    def __init__(
        self,
        servers: ServerCalls,
        backlog_limit: int,
        key_expiry: Callable[[], Values],
        standbys: Callable[[], Sequence[StandbyView]] = tuple,
    ) -> None:
        """Both functions return at once what is known.

        `key_expiry`: the seconds until keys expire. `standbys`: those that readers may use.
        """
        self._servers = servers
        self._backlog_limit = backlog_limit
        self._version = version("activity-service")
        self._reading = SharedCall(servers.read)
        self._key_expiry = key_expiry
        self._standbys = standbys

    async def answer(self, accept: str) -> Exposition:
        """Return the text in the format that an Accept header asks for."""
        reading = await self._reading.result()
        samples = samples_of(reading, self._backlog_limit)
        expiry = Sampled(KEY_EXPIRY, self._key_expiry())
        instance = of_instance(own.readings(), self._version)
        standbys = of_standbys(self._standbys())
        return expose([*samples, expiry, *standbys, *instance], accept)

    async def close(self) -> None:
        """Cancel what is under way."""
        await self._reading.close()
        await self._servers.close()
