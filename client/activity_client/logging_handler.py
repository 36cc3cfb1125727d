"""Send log records as events."""

import logging
import sys
import threading
from contextlib import suppress

from activity_client.bounded_json import json_bytes, text_of
from activity_client.client import ActivityClient
from activity_client.errors import BadEvent, BufferFull
from activity_client.log_event import (
    RECORD_BYTES,
    event_component,
    event_data,
    event_message,
    event_time,
    record_text,
)
from activity_client.log_throttle import LogThrottle
from activity_client.sender import LOGGER, WARN_SECONDS, is_sending

_LAST_TRY_SECONDS = 1.0
_FULL = (
    "activity client: log records are dropped ({dropped} so far): {full}. To raise the limit: "
    "ActivityHandler(ActivityClient(url, limits=Limits(buffer_events=...)), ...)"
)


class ActivityHandler(logging.Handler):
    """Sends each record as an event; never waits for the network, and never raises.

    If the buffer is full, the record is dropped and counted in `dropped`. A line on stderr reports
    this, at most once in 10 s, unless `logging.raiseExceptions` is false. When the process exits,
    `logging.shutdown` sends buffered records.

    Args:
        service: The service's base URL, or a client, which the handler does not close.
        environment: The environment of the events; without it the client's.
        component: The component of the events; without it the client's, or the logger's name.
        level: Records below this level are ignored.

    Raises:
        BadUrl: `service` is not a service URL.
        BadEvent: No environment is given.
    """

    def __init__(
        self,
        service: str | ActivityClient,
        *,
        environment: str | None = None,
        component: str | None = None,
        level: int | str = logging.NOTSET,
    ) -> None:
        super().__init__(level)
        self._owns_client = isinstance(service, str)
        self._client = (
            ActivityClient(service, close_at_exit=False) if isinstance(service, str) else service
        )
        self._environment = environment or self._client.environment
        self._component = component or self._client.component
        if self._environment is None:
            raise BadEvent("environment is required, for example environment='production'")
        self.dropped = 0
        self._full = LogThrottle(WARN_SECONDS)
        self._flushed_in_vain = False

    @property
    def client(self) -> ActivityClient:
        """Return the client that sends the records."""
        return self._client

    def handle(self, record: logging.LogRecord) -> bool:
        """Handle a record, unless the client itself logs it.

        Check this before taking the handler's lock: `logging.shutdown` holds the lock while it
        waits for the sending thread.
        """
        if (
            text_of(record.name) == LOGGER
            or is_sending(record.thread)
            or is_sending(threading.get_ident())
        ):
            return False
        return bool(super().handle(record))

    def emit(self, record: logging.LogRecord) -> None:
        """Send a record; if formatting fails, call `handleError` and send it unformatted."""
        try:
            self._send(record)
        except BufferFull as full:
            self.dropped += 1
            if self._full.admit() is not None:
                self._tell(full)
        except Exception:  # noqa: BLE001 - logging must not raise in the application
            self.dropped += 1
            self._handle_error(record)

    def flush(self) -> None:
        """Wait for responses to all records, at most `limits.exit_seconds` of the client."""
        self._flushed_in_vain = not self._client.flush(self._client.limits.exit_seconds)

    def close(self) -> None:
        """Close the client if the handler made it, and report lost records on stderr."""
        super().close()
        if self._owns_client:
            # `logging.shutdown` flushes first: do not wait for the full timeout twice.
            left = self._client.finish(_LAST_TRY_SECONDS if self._flushed_in_vain else None)
            if left is not None and sys.stderr is not None:
                print(f"activity client: {left}", file=sys.stderr)

    def _tell(self, full: BufferFull) -> None:
        """Report dropped records as `handleError` does, but without a traceback."""
        if logging.raiseExceptions and sys.stderr is not None:
            with suppress(OSError):
                print(_FULL.format(dropped=self.dropped, full=full), file=sys.stderr)

    def _send(self, record: logging.LogRecord) -> None:
        form = self.format if self.formatter else logging.LogRecord.getMessage
        text, error = record_text(record, form)
        message = event_message(record, text)
        self._client.send(
            component=self._component or event_component(record),
            environment=self._environment,
            message=message,
            data=event_data(record, RECORD_BYTES - json_bytes(message)),
            occurred_at=event_time(record),
        )
        self._flushed_in_vain = False
        if error is not None:
            self._handle_error(record, error)

    def _handle_error(self, record: logging.LogRecord, error: Exception | None = None) -> None:
        """Call `handleError`, which prints the exception that is being handled."""
        with suppress(Exception):
            if error is None:
                self.handleError(record)
                return
            try:
                raise error
            except Exception:  # noqa: BLE001 - raised so that `handleError` sees it
                self.handleError(record)
