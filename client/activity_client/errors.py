"""What the client raises.

ActivityError               everything below
├── BadUrl                  the service's address is none (a ValueError)
├── BadEvent                an event that the service could only refuse (a ValueError)
│   ├── NotJson             its data can't be written as JSON
│   └── TooLarge            it is larger than one event may be
├── BufferFull              too much waits to be sent; nothing was added
├── ClientClosed            sent after `close`
└── GaveUp                  the service gave no definite answer for as long as was waited
"""

from datetime import datetime


class ActivityError(Exception):
    """Anything this package raises."""


class BadUrl(ActivityError, ValueError):
    """The address is not http:// or https:// with a host."""


class BadEvent(ActivityError, ValueError):
    """The event can't be sent: the text says what is wrong with it."""


class NotJson(BadEvent):
    """`data` holds something that JSON has no form for."""


class TooLarge(BadEvent):
    """The event's JSON exceeds what one event may have."""


class BufferFull(ActivityError):
    """The event was not taken, because too many wait to be answered.

    `events` and `bytes` wait. `since` (UTC) and `reason`: from when on the service has given no
    good answer and why; both None while it answers, only more slowly than events are sent.
    """

    def __init__(
        self, events: int, bytes: int, since: datetime | None = None, reason: str | None = None
    ) -> None:
        self.events, self.bytes, self.since, self.reason = events, bytes, since, reason
        super().__init__(events, bytes, since, reason)

    def __str__(self) -> str:
        waiting = f"the buffer is full: {self.events} events ({self.bytes} bytes) wait"
        if self.since is None:
            return f"{waiting}; the service answers, but more slowly than events are sent"
        since = self.since.isoformat(timespec="seconds")
        return f"{waiting}; the service has not taken any since {since}: {self.reason}"


class ClientClosed(ActivityError):
    """The client was closed; it takes no more events."""


class GaveUp(ActivityError):
    """No definite answer came in time: the events may have arrived, or not."""
