"""What runs beside the workers, in whoever supervises them: sweeping and maintenance."""

from storage.postgres.engine import plain_engine, require_suitable
from storage.queue.scheduler import DrainScheduler
from storage.queue.sweeper import Sweeper
from storage.redis.server_check import require_fit_servers
from storage.settings import StorageSettings
from worker.maintenance import Maintenance
from worker.settings import WorkerSettings


class Background:
    """The sweeper's and the maintenance's threads."""

    def __init__(self, storage: StorageSettings, settings: WorkerSettings | None = None) -> None:
        """Raises DatabaseUnsuitable, QueueUnsuitable, ControlUnsuitable."""
        settings = settings or WorkerSettings()
        require_fit_servers(storage)
        require_suitable(storage.database_url)
        self._sweeper = Sweeper(
            DrainScheduler(storage.queue_url, storage.control_url, storage.shards)
        )
        engine = plain_engine(storage.database_url)
        self._maintenance = Maintenance(engine, storage.partition_by, settings.partitions_ahead)

    def start(self) -> None:
        """Begin both."""
        self._maintenance.start()
        self._sweeper.start()

    def stop(self) -> None:
        """End both, after the round under way."""
        self._sweeper.stop()
        self._maintenance.stop()
