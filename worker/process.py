"""One worker process: an RQ worker that runs drains in itself, one after the other."""

import sys

import redis
from rq import SimpleWorker
from rq.job import Job

from storage.connections import connect
from storage.settings import StorageSettings
from storage.wake import rq_queue
from worker import logs
from worker.resources import resources
from worker.waiting import wait_for

WORKER_TTL = 20  # seconds without a sign of life after which RQ forgets a worker
MAINTENANCE_SECONDS = 5
_INTERRUPTED = 130


class DrainWorker(SimpleWorker):
    """Without a fork per job; tells a running drain when it should stop."""

    def _set_ip_address(self, connection: redis.Redis) -> None:
        """Not told: RQ would ask CLIENT INFO, and redis-py can't read its answer where the path
        of a unix socket has a blank."""
        self.ip_address = "unknown"

    def get_heartbeat_ttl(self, job: Job, working_time: float = 0.0) -> int:
        """Seconds; RQ's own answer is the job's time limit and a minute on top."""
        return WORKER_TTL

    def handle_warm_shutdown_request(self) -> None:
        """SIGTERM or SIGINT: the drain ends after its current batch."""
        resources().stopping.set()


def run() -> None:
    """Wait for control, and work until SIGTERM or SIGINT, or until it is away too long for RQ."""
    logs.set_up()
    control = connect(StorageSettings().control_url, answer_seconds=WORKER_TTL)
    try:
        wait_for(control)
        worker = DrainWorker(
            [rq_queue(control)],
            connection=control,
            worker_ttl=WORKER_TTL,
            maintenance_interval=MAINTENANCE_SECONDS,
            log_job_description=False,
        )
        worker.work(logging_level="WARNING")
    except redis.exceptions.RedisError as error:
        sys.exit(f"worker: control (ACTIVITY_CONTROL_URL) does not answer: {error}")
    except KeyboardInterrupt:  # while it waited; RQ has its own way
        sys.exit(_INTERRUPTED)
