"""An application's log records as events."""

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
    record_text,
)
from activity_client.log_throttle import LogThrottle
from activity_client.sender import LOGGER, WARN_SECONDS, is_sending

_LAST_TRY_SECONDS = 1.0
_FULL = (
    "activity client: log records are dropped ({dropped} so far): {full}. For more room: "
    "ActivityHandler(ActivityClient(url, limits=Limits(buffer_events=...)), ...)"
)


class ActivityHandler(logging.Handler):
    """Sends each record as an event; never waits for the network, never raises.

    `service`: its address, or a client, which the handler then leaves open. `environment`,
    `component`: of the events; without them the client's, and the logger's name as component.

    A record that finds the buffer full is dropped and counted in `dropped`; a line on stderr says
    so, once in 10 s at most, unless `logging.raiseExceptions` is false. At the end of the process
    `logging.shutdown` sends what still waits. Raises BadUrl, and BadEvent when no
    environment is given.
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
            raise BadEvent("an environment is needed, such as environment='production'")
        self.dropped = 0
        self._full = LogThrottle(WARN_SECONDS)
        self._flushed_in_vain = False

    @property
    def client(self) -> ActivityClient:
        """The client that it sends by."""
        return self._client

    def handle(self, record: logging.LogRecord) -> bool:
        """As any handler, but blind to what sending itself logs.

        That is sorted out before the handler's lock is taken, which `logging.shutdown` holds while
        it waits for the sending thread.
        """
        if (
            text_of(record.name) == LOGGER
            or is_sending(record.thread)
            or is_sending(threading.get_ident())
        ):
            return False
        return bool(super().handle(record))

    def emit(self, record: logging.LogRecord) -> None:
        """Send the record. One that can't be formatted is told to `handleError`, and sent."""
        try:
            self._send(record)
        except BufferFull as full:
            self.dropped += 1
            if self._full.occasion() is not None:
                self._tell(full)
        except Exception:  # noqa: BLE001 - logging must not break who logs
            self.dropped += 1
            self._handle_error(record)

    def flush(self) -> None:
        """Wait until what was logged is answered, `limits.exit_seconds` of the client at most."""
        self._flushed_in_vain = not self._client.flush(self._client.limits.exit_seconds)

    def close(self) -> None:
        """Send what waits, if the client is the handler's own; says on stderr what is lost."""
        super().close()
        if self._owns_client:
            # `logging.shutdown` flushes first: waiting all that time again would help nobody.
            left = self._client.finish(_LAST_TRY_SECONDS if self._flushed_in_vain else None)
            if left is not None and sys.stderr is not None:
                print(f"activity client: {left}", file=sys.stderr)

    def _tell(self, full: BufferFull) -> None:
        """As `handleError` would, but for the traceback, which says nothing about this."""
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
        )
        self._flushed_in_vain = False
        if error is not None:
            self._handle_error(record, error)

    def _handle_error(self, record: logging.LogRecord, error: Exception | None = None) -> None:
        """As `logging` does, which prints the exception that is being handled."""
        with suppress(Exception):
            if error is None:
                self.handleError(record)
                return
            try:
                raise error
            except Exception:  # noqa: BLE001 - it is raised for `handleError` to see
                self.handleError(record)
