"""Hold events until they have a response, between sending threads and the posting thread."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

from activity_client.errors import BufferFull, ClientClosed, GaveUp
from activity_client.limits import Limits


@dataclass(frozen=True)
class Stats:
    """Counts of events by outcome.

    Attributes:
        sent: Added by `send`; always accepted + rejected + pending.
        accepted: On the service's disk.
        rejected: Rejected by the service.
        pending: Not sent yet, or without a response; after `close`: left over.
        retries: Requests that were repeated.
    """

    sent: int
    accepted: int
    rejected: int
    pending: int
    retries: int


class Buffer:
    """A bounded queue for any number of sending threads and one posting thread.

    An event counts against the limits until it is settled, because it may be sent again.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        # Reentrant: a signal handler may log while it interrupts the thread that holds the lock.
        self._lock = threading.RLock()
        self._arrived = threading.Condition(self._lock)  # wakes the posting thread
        self._settled = threading.Condition(self._lock)  # wakes threads in `flush`
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._bytes = 0
        self._sent = self._accepted = self._rejected = self._retries = 0
        self._flush_to = 0  # a value of `sent`: do not linger before it is reached
        self._deadline: float | None = None  # set once by `close`
        self._ended = False
        self._since: datetime | None = None
        self._reason: str | None = None

    @property
    def stats(self) -> Stats:
        """Return the current counts."""
        with self._lock:
            pending = self._sent - self._answered
            return Stats(self._sent, self._accepted, self._rejected, pending, self._retries)

    @property
    def is_over(self) -> bool:
        """Tell whether the buffer is closed and its deadline has passed."""
        with self._lock:
            return self._is_past_deadline()

    @property
    def last_error(self) -> str | None:
        """Return why the last request failed; None if it succeeded."""
        with self._lock:
            return self._reason

    def put(self, line: bytes) -> None:
        """Add an event without waiting.

        Raises:
            BufferFull: The limits are reached.
            ClientClosed: The buffer is closed.
        """
        with self._lock:
            if self._deadline is not None:
                raise ClientClosed("the client is closed")
            self._check_room(len(line))
            self._waiting.append(line)
            self._waiting_bytes += len(line)
            self._bytes += len(line)
            self._sent += 1
            if len(self._waiting) == 1 or self._is_batch_full:
                self._arrived.notify()

    def take(self) -> list[bytes] | None:
        """Wait for events, linger for more, and return a batch; None at the end."""
        with self._lock:
            self._arrived.wait_for(lambda: self._waiting or self._deadline is not None)
            if not self._must_go():
                self._arrived.wait_for(self._must_go, self._limits.linger_seconds)
            if not self._waiting or self._is_past_deadline():
                return None
            return self._cut()

    def settle(self, lines: Sequence[bytes], rejected: int) -> None:
        """Count these events as accepted or rejected, and free their space."""
        with self._lock:
            self._rejected += rejected
            self._accepted += len(lines) - rejected
            self._bytes -= sum(map(len, lines))
            self._since = self._reason = None
            self._settled.notify_all()

    def pause(self, seconds: float, reason: str) -> None:
        """Wait before a retry; `reason` is the error of the last request.

        A call of `close` ends the wait, for one more retry.

        Raises:
            GaveUp: The deadline of `close` has passed.
        """
        with self._lock:
            self._reason = reason
            self._since = self._since or datetime.now(timezone.utc)
            self._arrived.wait_for(*self._until_next_try(seconds))
            if self._is_past_deadline():
                raise GaveUp(reason)
            self._retries += 1

    def flush(self, seconds: float | None) -> bool:
        """Wait until every event sent so far has a response; return False on timeout."""
        with self._lock:
            wanted = self._sent
            self._flush_to = wanted
            self._arrived.notify()
            self._settled.wait_for(lambda: self._answered >= wanted or self._ended, seconds)
            return self._answered >= wanted

    def close(self, seconds: float) -> float:
        """Stop accepting events, and set the deadline for sending the rest.

        Only the first call sets the deadline. Return the seconds until it.
        """
        with self._lock:
            if self._deadline is None:
                self._deadline = time.monotonic() + seconds
            self._arrived.notify()
            return max(0.0, self._deadline - time.monotonic())

    def end(self) -> None:
        """Note that no thread posts any more, so that `flush` does not wait."""
        with self._lock:
            self._ended = True
            self._settled.notify_all()

    def begin(self) -> None:
        """Note that a thread posts."""
        with self._lock:
            self._ended = False

    @property
    def _answered(self) -> int:
        return self._accepted + self._rejected

    @property
    def _is_batch_full(self) -> bool:
        return (
            len(self._waiting) >= self._limits.batch_events
            or self._waiting_bytes >= self._limits.batch_bytes
        )

    def _check_room(self, size: int) -> None:
        events = self._sent - self._answered
        fits = self._bytes + size <= self._limits.buffer_bytes or events == 0
        if events >= self._limits.buffer_events or not fits:
            raise BufferFull(events, self._bytes, self._since, self._reason)

    def _must_go(self) -> bool:
        """Tell whether to send now instead of lingering."""
        flushing = self._answered < self._flush_to
        return self._is_batch_full or flushing or self._deadline is not None

    def _is_past_deadline(self) -> bool:
        return self._deadline is not None and time.monotonic() >= self._deadline

    def _until_next_try(self, seconds: float) -> tuple[Callable[[], bool], float]:
        if self._deadline is None:
            return lambda: self._deadline is not None, seconds
        return self._is_past_deadline, min(seconds, self._deadline - time.monotonic())

    def _cut(self) -> list[bytes]:
        lines = [self._waiting.popleft()]
        size = len(lines[0])
        while self._waiting and len(lines) < self._limits.batch_events:
            size += len(self._waiting[0])
            if size > self._limits.batch_bytes:
                break
            lines.append(self._waiting.popleft())
        self._waiting_bytes -= sum(map(len, lines))
        return lines
