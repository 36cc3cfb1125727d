"""One worker process: an RQ worker that runs drains in itself, one after the other."""

import logging
import sys

from rq import SimpleWorker
from rq.job import Job

from storage.connections import connect
from storage.settings import StorageSettings
from storage.wake import rq_queue
from worker.resources import resources

WORKER_TTL = 20  # seconds without a sign of life after which RQ forgets a worker
MAINTENANCE_SECONDS = 5


class DrainWorker(SimpleWorker):
    """Without a fork per job; tells a running drain when it should stop."""

    def get_heartbeat_ttl(self, job: Job, working_time: float = 0.0) -> int:
        """Seconds; RQ's own answer is the job's time limit and a minute on top."""
        return WORKER_TTL

    def handle_warm_shutdown_request(self) -> None:
        """SIGTERM or SIGINT: the drain ends after its current batch."""
        resources().stopping.set()


def run() -> None:
    """Work until SIGTERM or SIGINT, or until control is away for too long for RQ."""
    log_format = "%(asctime)s worker %(levelname)s %(message)s"
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format=log_format)
    control = connect(StorageSettings().control_url, answer_seconds=WORKER_TTL)
    worker = DrainWorker(
        [rq_queue(control)],
        connection=control,
        worker_ttl=WORKER_TTL,
        maintenance_interval=MAINTENANCE_SECONDS,
        log_job_description=False,
    )
    worker.work(logging_level="WARNING")
