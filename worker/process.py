"""One worker process: an RQ worker that runs drains one after the other, without forking."""

import argparse
import logging
import sys
from typing import Any, cast

import redis
from rq import SimpleWorker, worker_registration
from rq.exceptions import StopRequested
from rq.job import Job
from rq.queue import Queue
from rq.timeouts import JobTimeoutException
from rq.utils import now
from rq.worker import WorkerStatus
from rq.worker_registration import REDIS_WORKER_KEYS, WORKERS_BY_QUEUE_KEY

from storage.errors import ControlUnavailable, StorageError
from storage.metrics.process import own
from storage.postgres.engine import require_suitable
from storage.process_logs import end_process
from storage.queue.scheduler import DRAIN_QUEUE, JOB_SECONDS
from storage.redis.client import connect
from storage.redis.server_check import require_fit_servers
from storage.settings import StorageSettings
from storage.tracing import exporting_spans
from worker import logs
from worker.activities import IDLE
from worker.admission import DrainQueue, drain_queue
from worker.drain import drain
from worker.progress import database_wait, report
from worker.resources import resources
from worker.schema_check import wait_for_known_schema
from worker.wait_for_redis import UNREACHABLE, activity_after, wait_for

WORKER_TTL = 20  # seconds without a heartbeat after which RQ forgets a worker
MAINTENANCE_SECONDS = 5
_INTERRUPTED = 130

log = logging.getLogger(__name__)


class DrainWorker(SimpleWorker):
    """An RQ worker for drains only, with RQ's list, worker registry, heartbeat and signals.

    RQ's other features are off, because with each of them anyone who can write to control could run
    code here, stop the worker, or keep it busy: commands by pub/sub (`stop-job` would kill the
    process group), callbacks, dependents, results, retries, repeats, groups, rate limits, webhooks.
    """

    queue_class = DrainQueue

    # RQ's default pause between two tries to reach control grows to 60 s.
    max_connection_wait_time = 5.0

    def _set_ip_address(self, connection: redis.Redis) -> None:
        """Set no address.

        RQ would call CLIENT INFO, and redis-py can't parse its reply if the path of a unix socket
        contains a space.
        """
        self.ip_address = "unknown"

    def subscribe(self) -> None:
        """Subscribe to no commands."""

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Run the drain. RQ need not know its result: the lease says who drains."""
        (shard,) = job.args
        refused = False
        self.set_state(WorkerStatus.BUSY)
        self.heartbeat(WORKER_TTL)
        try:
            with self.death_penalty_class(JOB_SECONDS, JobTimeoutException, job_id=job.id):
                refused = drain(shard) == "refused"
        except Exception:
            log.exception("the drain of shard %d failed", shard)
        self.connection.delete(job.key)
        self.set_state(WorkerStatus.IDLE)
        if refused:  # its supervisor starts it again, and it waits until it may work
            raise StopRequested

    def run_maintenance_tasks(self) -> None:
        """Remove workers from RQ's registry that ended without unregistering."""
        self.last_cleaned_at = now()  # type: ignore[assignment]
        registry = WORKERS_BY_QUEUE_KEY % DRAIN_QUEUE
        members = cast(set[bytes], self.connection.smembers(registry))
        gone = [name for name in members if not self._is_alive(name)]
        if gone:
            self.connection.srem(registry, *gone)
            self.connection.srem(REDIS_WORKER_KEYS, *gone)

    def _is_alive(self, key: bytes) -> bool:
        ours = key.startswith(self.redis_worker_namespace_prefix.encode())
        return ours and bool(self.connection.exists(key))

    def heartbeat(self, *arguments: Any, **options: Any) -> None:
        """Register again and renew RQ's key of this worker: control may have lost its data.

        RQ calls this each time that it asks for work, and before and after each job.
        """
        try:
            super().heartbeat(*arguments, **options)
            worker_registration.register(self)
        except UNREACHABLE as error:
            report(activity_after(error))
            raise
        report(IDLE)

    def handle_warm_shutdown_request(self) -> None:
        """Let the drain end after its current batch, at SIGTERM or SIGINT."""
        resources().stopping.set()


def run(arguments: list[str] | None = None) -> None:
    """Wait for control, then run drains until SIGTERM or SIGINT.

    Exits too if control is unreachable for longer than RQ waits; a supervisor restarts the process.
    """
    options = _options(arguments)
    own.join(options.slot, "worker")
    database_wait.start()
    try:
        logs.start(options.log_fd)
        settings = StorageSettings()
        require_fit_servers(settings)
        require_suitable(settings.database_url)
        resources()  # an invalid setting must end this process, and not each drain
    except StorageError as error:
        end_process(error)
    control = connect(settings.control_url, answer_seconds=WORKER_TTL)
    try:
        wait_for_known_schema(settings)
        wait_for(control)
        worker = DrainWorker(
            [drain_queue(control)],
            connection=control,
            worker_ttl=WORKER_TTL,
            maintenance_interval=MAINTENANCE_SECONDS,
            log_job_description=False,
        )
        with exporting_spans("worker"):
            worker.work(logging_level=logs.level_name())
    except redis.exceptions.RedisError as error:
        end_process(ControlUnavailable(f"control (ACTIVITY_CONTROL_URL) does not answer: {error}"))
    except KeyboardInterrupt:  # in `wait_for`; RQ handles the signal itself
        sys.exit(_INTERRUPTED)


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m worker", description=__doc__)
    parser.add_argument("--slot", help="slot for metrics in an inherited file, as FD:NUMBER")
    parser.add_argument("--log-fd", type=int, help="a file, inherited, to log to as well")
    return parser.parse_args(arguments)
