"""The settings of drains and of what runs beside the workers."""

from pydantic import ByteSize, Field

from storage.settings import Settings


class WorkerSettings(Settings):
    """Settings of the workers, from `ACTIVITY_*` environment variables or `.env`."""

    lease_ms: int = Field(
        3_000,
        ge=500,
        le=60_000,
        description="Milliseconds without a renewal after which another drain takes a shard over.",
    )
    slice_ms: int = Field(
        5_000,
        ge=100,
        le=60_000,
        description="Milliseconds after which a drain ends and lets its successor run.",
    )
    linger_ms: int = Field(
        1_000,
        ge=0,
        le=60_000,
        description="Milliseconds that a drain waits for more events before it ends.",
    )
    gather_ms: int = Field(
        10,
        ge=0,
        le=1_000,
        description="Milliseconds for which a drain lets events gather if few wait.",
    )
    batch_events: int = Field(
        5_000, ge=1, le=50_000, description="Maximum number of events in one transaction."
    )
    batch_bytes: int = Field(
        8 * 1024 * 1024,
        ge=1024,
        le=256 * 1024 * 1024,
        description="Target size of one transaction in bytes of events.",
    )
    partitions_ahead: int = Field(
        7,
        ge=1,
        le=366,
        description="Days ahead for which partitions are made "
        "(at most 1 if `ACTIVITY_PARTITION_BY` is `hour`).",
    )
    retention_days: int | None = Field(
        None,
        ge=2,
        le=36_500,
        description="Days that events are kept; without it they are kept for good.",
    )
    disk_budget: ByteSize | None = Field(
        None,
        gt=0,
        description="Bytes that the database may have on disk, as `500GiB`: beyond that the oldest "
        "partitions are removed.",
    )
