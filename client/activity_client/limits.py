"""The limits of a client."""

from dataclasses import dataclass, fields


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The limits of one client.

    Attributes:
        buffer_events: Events that may wait for a response before `send` raises BufferFull.
        buffer_bytes: Their size.
        batch_events: Events in one request, at most.
        batch_bytes: Their size; a larger event is sent alone.
        linger_seconds: How long a batch that is not full waits for more events.
        exit_seconds: How long to send buffered events when the process exits.

    Raises:
        ValueError: A limit is negative, or leaves no room.
    """

    buffer_events: int = 10_000
    buffer_bytes: int = 32 * 1024 * 1024
    batch_events: int = 1_000
    batch_bytes: int = 1024 * 1024
    linger_seconds: float = 0.5
    exit_seconds: float = 5.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value < 0 or (value == 0 and not field.name.endswith("_seconds")):
                least = "at least 0" if field.name.endswith("_seconds") else "greater than 0"
                raise ValueError(f"{field.name} must be {least}, not {value}")
