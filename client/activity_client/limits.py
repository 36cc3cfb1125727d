"""How much a client holds, and for how long."""

from dataclasses import dataclass, fields


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bounds of one client. Raises ValueError for one that is negative or leaves no room.

    buffer_events, buffer_bytes   what may wait for an answer before `send` raises BufferFull
    batch_events, batch_bytes     at most sent in one request
    linger_seconds                a batch waits that long for more events, unless it is full
    exit_seconds                  at the end of the process, to send what still waits
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
                raise ValueError(f"{field.name} is {value}")
