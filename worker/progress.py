"""The progress of this worker process, reported in its slot for probes.

A worker makes progress when it begins a step that ends by itself: it asks control for work, tries
again to reach a server, or begins a batch. So an idle worker, and one that waits for an unreachable
server, make progress too. One step may take for ever: a call to a PostgreSQL that hangs. While it
waits there, a thread reports in its place. A process that is stopped reports nothing.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from storage.metrics.process import own
from storage.periodic import PeriodicThread

REPORT_SECONDS = 2.0


def report(activity: str) -> None:
    """Report that this process begins a step (`worker.activities`)."""
    own.report(activity)


class WaitReporter(PeriodicThread):
    """The thread that reports while this process waits for PostgreSQL."""

    def __init__(self) -> None:
        super().__init__("progress", REPORT_SECONDS)
        self._lock = threading.Lock()
        self._wait: str | None = None

    @contextmanager
    def waiting(self, activity: str) -> Iterator[None]:
        """Report this activity again and again while the block runs, once the thread runs."""
        with self._lock:
            self._wait = activity
        try:
            yield
        finally:
            with self._lock:  # no report of the wait may follow
                self._wait = None

    def run_once(self) -> None:
        """Report the present wait, if there is one."""
        with self._lock:
            if self._wait is not None:
                own.report(self._wait)


database_wait = WaitReporter()
