"""Buffer events in memory and post them from one background thread."""

import threading
from datetime import datetime
from os import PathLike
from types import TracebackType

from activity_client import exits
from activity_client.buffer import Buffer, Stats
from activity_client.credentials import Credentials
from activity_client.event_line import event_line
from activity_client.limits import Limits
from activity_client.sender import OnReject, Sender, is_sending, log
from activity_client.transport import Transport, trust


class ActivityClient:
    """Sends events to one Activity Service in the background, in batches, in order.

    Each event is stored once: a batch without a response is retried under the same
    Idempotency-Key for as long as the process lives. Instances are thread-safe. After a fork the
    child starts with an empty buffer, and the parent sends its own events.

    Args:
        url: The service's base URL.
        key: An API key with the scope `write`. By default that of the environment: ACTIVITY_KEY,
            or the file that ACTIVITY_KEY_FILE names.
        ca_file: For `https://`: certificates to trust, in PEM; without it the system's.
        component: The component of events that name none.
        environment: The environment of events that name none.
        on_reject: Called with the event and the problem for each event that the service rejects,
            in the sending thread. Without it a warning is logged, at most one in 10 s.
        limits: The bounds of the buffer, the batches and the waits.
        close_at_exit: Send buffered events when the process exits. If false, the owner must call
            `close`.

    Raises:
        BadUrl: `url` is not a service URL.
        BadKey: `key` is no API key, or the file with it can't be read.
        BadCaFile: `ca_file` can't be read, or has no certificates.
    """

    def __init__(
        self,
        url: str,
        *,
        key: str | None = None,
        ca_file: "str | PathLike[str] | None" = None,
        component: str | None = None,
        environment: str | None = None,
        on_reject: OnReject | None = None,
        limits: Limits = Limits(),  # noqa: B008 - frozen
        close_at_exit: bool = True,
    ) -> None:
        self.url = url
        self._trusted = trust(ca_file)
        self.component = component
        self.environment = environment
        self.limits = limits
        self.closed_by_others = not close_at_exit
        self._on_reject = on_reject
        self._credentials = Credentials(key) if key else Credentials.of_environment()
        self._closed = False
        self.renew()
        exits.created(self)

    def send(
        self,
        *,
        message: str,
        component: str | None = None,
        environment: str | None = None,
        email: str | None = None,
        data: object = None,
        occurred_at: datetime | None = None,
    ) -> None:
        """Add an event to the buffer; never wait for the network.

        An event for which this raises was not added. `data` is any JSON serializable value.
        `occurred_at`, with a time zone: when it happened.

        Raises:
            BadEvent: The service would reject the event (also NotJson, TooLarge).
            BufferFull: Too many events are waiting.
            ClientClosed: The client is closed.
        """
        self._buffer.put(
            event_line(
                self.component if component is None else component,
                self.environment if environment is None else environment,
                message,
                email,
                data,
                occurred_at,
            )
        )
        if self._thread is None or not self._thread.is_alive():
            self._start()

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until every event sent so far has a response.

        Wait at most `timeout` seconds; None waits without a limit. The sending thread never waits.
        Return False if a response is missing.
        """
        return self._buffer.flush(0 if is_sending(threading.get_ident()) else timeout)

    def close(self, timeout: float | None = None) -> bool:
        """Stop accepting events, and send the buffered ones.

        Wait at most `timeout` seconds; None means `limits.exit_seconds`. If events are left, log a
        warning and return False. Further calls send nothing more.
        """
        already = self._closed
        text = self.finish(timeout)
        if text is not None and not already:
            log.warning(text)
        return text is None

    def finish(self, timeout: float | None = None) -> str | None:
        """Close as `close` does, and return its warning instead of logging it."""
        self._closed = True
        self._join(self._buffer.close(self.limits.exit_seconds if timeout is None else timeout))
        exits.closed(self)
        left, last_error = self.stats.pending, self._buffer.last_error
        if not left:
            return None
        why = f": {last_error}" if last_error else ""
        return (
            f"events not acknowledged by {self.url} before the deadline: {left}{why}. "
            "Events of the last request may have been stored"
        )

    @property
    def stats(self) -> Stats:
        """Return the counts of events by outcome."""
        return self._buffer.stats

    def renew(self) -> None:
        """Start with an empty buffer, as a forked child must; its parent sends its own events."""
        self._buffer = Buffer(self.limits)
        if self._closed:
            self._buffer.close(0)
        transport = Transport(self.url, credentials=self._credentials, trusted=self._trusted)
        self._sender = Sender(self._buffer, transport, self._on_reject)
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> "ActivityClient":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    def _start(self) -> None:
        if not self._starting.acquire(blocking=False):
            return  # another thread starts it, or this one, interrupted by a signal
        try:
            if self._thread is None or not self._thread.is_alive():
                exits.used(self)
                self._thread = self._started()
        finally:
            self._starting.release()

    def _started(self) -> threading.Thread | None:
        thread = threading.Thread(target=self._sender.run, name="activity-client", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            return None  # no thread can start while the interpreter exits; `close` sends instead
        return thread

    def _join(self, seconds: float) -> None:
        thread = self._thread
        if thread is not None and thread.is_alive():
            if thread is not threading.current_thread():
                thread.join(seconds)
        elif self.stats.pending:
            self._sender.run()
