"""The jobs that run beside the workers, in the process that supervises them."""

from storage.postgres.engine import plain_engine, require_suitable
from storage.queue.scheduler import DrainScheduler
from storage.queue.sweeper import Sweeper
from storage.redis.client import connect
from storage.redis.server_check import require_fit_servers
from storage.settings import StorageSettings
from worker.erasures import Erasures
from worker.key_maintenance import KeyMaintenance
from worker.maintenance import Maintenance
from worker.retention import Retention, policy_of
from worker.settings import WorkerSettings


class Background:
    """The sweeper, the maintenance of tables and that of API keys, retention, and erasures."""

    def __init__(self, storage: StorageSettings, settings: WorkerSettings | None = None) -> None:
        """Check the servers. Raises DatabaseUnsuitable, QueueUnsuitable, ControlUnsuitable."""
        settings = settings or WorkerSettings()
        require_fit_servers(storage)
        require_suitable(storage.database_url)
        self._sweeper = Sweeper(
            DrainScheduler(storage.queue_url, storage.control_url, storage.shards)
        )
        engine = plain_engine(storage.database_url)
        self._maintenance = Maintenance(engine, storage.partition_by, settings.partitions_ahead)
        self._erasures = Erasures(storage)
        self._keys = KeyMaintenance(connect(storage.queue_url), plain_engine(storage.database_url))
        self._retention = Retention(
            plain_engine(storage.database_url, pool=2),
            connect(storage.control_url),
            policy_of(settings),
        )

    def start(self) -> None:
        """Start the threads."""
        self._keys.start()
        self._maintenance.start()
        self._retention.start()
        self._erasures.start()
        self._sweeper.start()

    def stop(self) -> None:
        """Stop the threads after their current rounds."""
        self._sweeper.stop()
        self._retention.request_stop()
        self._maintenance.stop()
        self._retention.stop()
        self._erasures.stop()
        self._keys.stop()
