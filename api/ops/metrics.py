"""`GET /metrics`: everything that can be read within a second, for Prometheus.

Each server is asked at once and for a limited time, so one that hangs delays no other figure.
Scrapes that come at the same time share one reading of the servers.
"""

from collections.abc import Callable
from importlib.metadata import version

from api.ops.exposition import Exposition, expose, of_instance
from api.ops.server_calls import ServerCalls
from api.ops.service_metrics import samples_of
from api.ops.shared_call import SharedCall
from storage.metrics.catalogue import Metric
from storage.metrics.process import own
from storage.metrics.samples import Sampled, Values

Known = Callable[[], Values | None]


class Metrics:
    """The metrics of the service and of this instance."""

    def __init__(self, servers: ServerCalls, backlog_limit: int) -> None:
        self._servers = servers
        self._backlog_limit = backlog_limit
        self._version = version("activity-service")
        self._reading = SharedCall(servers.read)
        self._plugged: dict[Metric, Known] = {}

    def plug(self, metric: Metric, known: Known) -> None:
        """Show one more metric of the catalogue. `known` is called at each scrape.

        It returns the values by the values of the labels (`UNLABELLED` without labels), or None
        while they are unknown: then the metric is left out. It must not wait for anything.
        """
        self._plugged[metric] = known

    async def answer(self, accept: str) -> Exposition:
        """Return the text in the format that an Accept header asks for."""
        reading = await self._reading.result()
        plugged = [Sampled(metric, known() or {}) for metric, known in self._plugged.items()]
        samples = samples_of(reading, self._backlog_limit)
        instance = of_instance(own.readings(), self._version)
        return expose([*samples, *plugged, *instance], accept)

    async def close(self) -> None:
        """Cancel what is under way."""
        await self._reading.close()
        await self._servers.close()
