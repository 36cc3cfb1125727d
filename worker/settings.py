"""How drains behave."""

from pydantic import Field

from storage.settings import Settings


class WorkerSettings(Settings):
    """Read from `ACTIVITY_*` environment variables or `.env`."""

    lease_ms: int = Field(
        3_000,
        ge=500,
        le=60_000,
        description="Milliseconds without a sign of life after which a drain is taken over.",
    )
    slice_ms: int = Field(
        5_000,
        ge=100,
        le=60_000,
        description="Milliseconds after which a drain makes way for its successor.",
    )
    linger_ms: int = Field(
        1_000,
        ge=0,
        le=60_000,
        description="Milliseconds a drain waits for more events before it goes idle.",
    )
    gather_ms: int = Field(
        10,
        ge=0,
        le=1_000,
        description="Milliseconds a drain lets events gather when few wait: lag against work.",
    )
    batch_events: int = Field(
        5_000, ge=1, le=50_000, description="Most events stored in one transaction."
    )
    batch_bytes: int = Field(
        8 * 1024 * 1024,
        ge=1024,
        le=256 * 1024 * 1024,
        description="Bytes of events in one transaction that a drain aims at.",
    )
    partitions_ahead: int = Field(
        7,
        ge=1,
        le=366,
        description="Days ahead for which partitions are made; of hours at most one.",
    )
