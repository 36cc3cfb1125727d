"""The client: `send` never waits for the network; one thread posts what was sent."""

import threading
from types import TracebackType

from activity_client import exits
from activity_client.buffer import Buffer, Stats
from activity_client.event_line import event_line
from activity_client.limits import Limits
from activity_client.sender import OnReject, Sender, is_sending, log
from activity_client.transport import Transport


class ActivityClient:
    """Sends events to one Activity Service, in batches, in the background, in order.

    Each event is stored once: a batch that got no answer is sent again under the same
    Idempotency-Key for as long as the process lives. Safe for many threads, and across a fork: the
    child starts with an empty buffer, what was sent before stays with the parent.

    `component`, `environment`: for events that name none. `on_reject(event, problem)`: called, from
    the sending thread, for each event that the service refuses; without it a warning is logged, one
    in 10 s at most. What still waits at the end of the process is sent then, unless
    `close_at_exit` is false: then the owner must `close`. Raises BadUrl.
    """

    def __init__(
        self,
        url: str,
        *,
        component: str | None = None,
        environment: str | None = None,
        on_reject: OnReject | None = None,
        limits: Limits = Limits(),  # noqa: B008 - frozen
        close_at_exit: bool = True,
    ) -> None:
        self.url = url
        self.component = component
        self.environment = environment
        self.limits = limits
        self.closed_by_others = not close_at_exit
        self._on_reject = on_reject
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
    ) -> None:
        """Take an event, to be sent soon; `data` is anything that has a form in JSON.

        Raises BadEvent (NotJson, TooLarge) for one that the service could only refuse, BufferFull
        when too many wait, ClientClosed. Then it was not taken.
        """
        self._buffer.put(
            event_line(
                self.component if component is None else component,
                self.environment if environment is None else environment,
                message,
                email,
                data,
            )
        )
        if self._thread is None or not self._thread.is_alive():
            self._start()

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until all that was sent is answered, `timeout` seconds at most (None: as long as it
        takes). False when something is not; never waits in the sending thread itself."""
        return self._buffer.flush(0 if is_sending(threading.get_ident()) else timeout)

    def close(self, timeout: float | None = None) -> bool:
        """Take no more events, and send those that wait, for `timeout` seconds at most (None:
        `limits.exit_seconds`). False, and a warning is logged, when some are left.

        May be called again, and after a `with` block; nothing more is then sent.
        """
        already = self._closed
        text = self.finish(timeout)
        if text is not None and not already:
            log.warning(text)
        return text is None

    def finish(self, timeout: float | None = None) -> str | None:
        """`close`, with the warning as its value instead of in the log."""
        self._closed = True
        self._join(self._buffer.close(self.limits.exit_seconds if timeout is None else timeout))
        exits.closed(self)
        left, last_error = self.stats.pending, self._buffer.last_error
        if not left:
            return None
        why = f": {last_error}" if last_error else ""
        return (
            f"not acknowledged in time by {self.url}{why}. Events left: {left}, of which the last "
            "request's may have arrived"
        )

    @property
    def stats(self) -> Stats:
        """What became of the events so far."""
        return self._buffer.stats

    def renew(self) -> None:
        """Start anew with nothing, as a forked child must: its parent's events are its parent's."""
        self._buffer = Buffer(self.limits)
        if self._closed:
            self._buffer.close(0)
        self._sender = Sender(self._buffer, Transport(self.url), self._on_reject)
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
            return  # another thread is at it, or this one, interrupted by a signal
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
            return None  # no thread to be had, as when the interpreter ends; `close` does its work
        return thread

    def _join(self, seconds: float) -> None:
        thread = self._thread
        if thread is not None and thread.is_alive():
            if thread is not threading.current_thread():
                thread.join(seconds)
        elif self.stats.pending:
            self._sender.run()
