"""What the API may be told."""

from pydantic import Field

from storage.settings import Settings


class ApiSettings(Settings):
    """Read from `ACTIVITY_*` environment variables or `.env`."""

    event_bytes: int = Field(
        256 * 1024, ge=1024, le=8 * 1024 * 1024, description="Bytes of one posted event, at most."
    )
    post_batch_bytes: int = Field(
        16 * 1024 * 1024,
        ge=64 * 1024,
        le=256 * 1024 * 1024,
        description="Bytes of one posted batch, unpacked, at most.",
    )
    post_batch_events: int = Field(
        10_000, ge=1, le=100_000, description="Events of one posted batch, at most."
    )
    post_batch_memory_bytes: int = Field(
        64 * 1024 * 1024,
        ge=64 * 1024,
        description="Bytes of batches one API process holds at once; more are told to come again.",
    )
    ack_seconds: float = Field(
        5, gt=0, le=60, description="Seconds that `ack=stored` waits for the commit at most."
    )
    pending_events: int = Field(
        20_000,
        ge=1,
        le=1_000_000,
        description="Events one API process holds while the queue writes; more are refused.",
    )
    backlog_events: int = Field(
        2_000_000,
        ge=64,
        description="Events that may wait in the queue, over all shards; more are refused.",
    )
    backlog_bytes: int = Field(
        512 * 1024 * 1024,
        ge=64 * 1024 * 1024,
        description="Bytes of events that may wait in the queue, over all shards.",
    )
    idempotency_keys: int = Field(
        1_000_000,
        ge=64,
        description="Idempotency keys remembered at once, each for 24 hours.",
    )
    body_seconds: float = Field(
        30,
        gt=0,
        le=600,
        description="Seconds a client may take for a request's headers, and again for its body.",
    )
    cache_seconds: int = Field(
        300, ge=1, le=86_400, description="Seconds a cached page is kept at most."
    )
    cache_grace_ms: int = Field(
        10_000,
        ge=0,
        le=60_000,
        description="Milliseconds after control lost its data in which no page is served from it.",
    )
