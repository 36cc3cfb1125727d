"""Post batches from the buffer to the service."""

import json
import logging
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from activity_client.answers import ProblemDocument, Refused, Verdict, problem_text
from activity_client.batch import Batch
from activity_client.buffer import Buffer
from activity_client.errors import GaveUp
from activity_client.log_throttle import LogThrottle
from activity_client.transport import Transport

LOGGER = "activity_client"
"""The logger of this package; `ActivityHandler` ignores its records."""

WARN_SECONDS = 10.0

OnReject = Callable[[dict[str, Any], ProblemDocument], None]
"""Called in the sending thread with a rejected event and the reason."""

log = logging.getLogger(LOGGER)

_sending_threads: set[int] = set()


def is_sending(thread: object) -> bool:
    """Tell whether the thread with this identifier is posting events."""
    return type(thread) is int and thread in _sending_threads


def forget_sending_threads() -> None:
    """Forget the sending threads of the parent, in a forked child."""
    _sending_threads.clear()


class Sender:
    """Posts the events of a buffer."""

    def __init__(self, buffer: Buffer, transport: Transport, on_reject: OnReject | None) -> None:
        self._buffer = buffer
        self._transport = transport
        self._on_reject = on_reject or _warn_throttled()
        self._batch: Batch | None = None  # survives a thread that ended with an exception
        self._running = threading.Lock()
        self._is_refused = False  # and this was logged

    def run(self) -> None:
        """Post batches until the buffer is closed and empty, or its deadline has passed.

        Return at once if another thread posts.
        """
        if not self._running.acquire(blocking=False):
            return
        self._buffer.begin()
        try:
            with _marked_as_sending():
                while batch := self._next():
                    self._send(batch)
        except GaveUp:
            pass  # `close` reports the events that are left
        finally:
            self._buffer.end()
            self._transport.close()
            self._running.release()

    def _next(self) -> Batch | None:
        if self._buffer.is_over:
            return None
        if self._batch is None and (lines := self._buffer.take()):
            self._batch = Batch(uuid.uuid4().hex, lines)
        return self._batch

    def _send(self, batch: Batch) -> None:
        verdicts = self._transport.deliver(batch, self._buffer.pause, self._wait_refused)
        self._is_refused = False
        self._report(batch, verdicts)
        rejected = sum(verdict.problem is not None for verdict in verdicts)
        self._buffer.settle(batch.lines, rejected)
        self._batch = None

    def _wait_refused(self, seconds: float, answer: Refused) -> None:
        """Wait as for an unreachable service, because the events may be valid; log it once."""
        if not self._is_refused:
            self._is_refused = True
            log.warning("requests are refused, events stay in the buffer: %s", answer.reason)
        self._buffer.pause(seconds, answer.reason)

    def _report(self, batch: Batch, verdicts: list[Verdict]) -> None:
        for line, verdict in zip(batch.lines, verdicts, strict=True):
            if verdict.problem is not None:
                self._report_one(json.loads(line), verdict.problem)

    def _report_one(self, event: dict[str, Any], problem: ProblemDocument) -> None:
        try:
            self._on_reject(event, problem)
        except Exception:
            log.exception("on_reject raised; the event was rejected: %s", problem_text(problem))


@contextmanager
def _marked_as_sending() -> Iterator[None]:
    thread = threading.get_ident()
    _sending_threads.add(thread)
    try:
        yield
    finally:
        _sending_threads.discard(thread)


def _warn_throttled() -> OnReject:
    throttle = LogThrottle(WARN_SECONDS)

    def warn(event: dict[str, Any], problem: ProblemDocument) -> None:
        suppressed = throttle.admit()
        if suppressed is not None:
            more = f" (and {suppressed} more before)" if suppressed else ""
            what = f"component {event['component']!r}, message {event['message'][:200]!r}"
            log.warning("event rejected%s: %s; %s", more, problem_text(problem), what)

    return warn
