"""The exceptions of the client.

ActivityError               base class
├── BadUrl                  not a service URL (a ValueError)
├── BadKey                  not an API key, or its file can't be read (a ValueError)
├── BadCaFile               no file with certificates to trust (a ValueError)
├── BadEvent                the service would reject the event (a ValueError)
│   ├── NotJson             the event is not JSON serializable
│   └── TooLarge            the event exceeds the size limit
├── BufferFull              too many events are waiting; the event was not added
├── ClientClosed            `send` after `close`
└── GaveUp                  no final response before the deadline
"""

from datetime import datetime


class ActivityError(Exception):
    """The base class of every exception of this package."""


class BadUrl(ActivityError, ValueError):
    """The URL does not start with http:// or https://, or has no host."""


class BadKey(ActivityError, ValueError):
    """The API key has characters that no key has, or its file can't be read."""


class BadCaFile(ActivityError, ValueError):
    """The file of certificates to trust can't be read, or has none."""


class BadEvent(ActivityError, ValueError):
    """The service would reject the event; the message says why."""


class NotJson(BadEvent):
    """The event is not JSON serializable."""


class TooLarge(BadEvent):
    """The JSON of the event exceeds the size limit."""


class BufferFull(ActivityError):
    """The event was not added, because too many events are waiting for a response.

    Attributes:
        events: The number of waiting events.
        bytes: Their size.
        since: The time (UTC) since when requests fail; None while the service accepts events.
        reason: The error of the last request; None while the service accepts events.
    """

    def __init__(
        self, events: int, bytes: int, since: datetime | None = None, reason: str | None = None
    ) -> None:
        self.events, self.bytes, self.since, self.reason = events, bytes, since, reason
        super().__init__(events, bytes, since, reason)

    def __str__(self) -> str:
        waiting = f"the buffer is full: {self.events} events ({self.bytes} bytes) are waiting"
        if self.since is None:
            return f"{waiting}; the service accepts events more slowly than they are sent"
        since = self.since.isoformat(timespec="seconds")
        return f"{waiting}; the service has accepted none since {since}: {self.reason}"


class ClientClosed(ActivityError):
    """The client is closed and accepts no more events."""


class GaveUp(ActivityError):
    """No final response came before the deadline; the events may have been stored."""
