"""Where the three servers are, and the figures both sides of the queue must agree on."""

from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

MAX_SHARDS = 64


class StorageSettings(BaseSettings):
    """Read from `ACTIVITY_*` environment variables or `.env`."""

    model_config = SettingsConfigDict(env_prefix="ACTIVITY_", env_file=".env", extra="ignore")

    queue_url: str = Field(
        "redis://localhost:6379/0",
        description="The queue: Redis or Valkey with `appendfsync always` and `noeviction`.",
    )
    control_url: str = Field(
        "redis://localhost:6380/0",
        description="Control: RQ's keys and the query cache. Disposable, `volatile-lru`.",
    )
    database_url: str = Field(
        "postgresql+psycopg2://localhost/activity",
        description="PostgreSQL 17 or newer, as an SQLAlchemy address.",
    )
    shards: int = Field(
        4,
        ge=1,
        le=MAX_SHARDS,
        description="Streams the events are spread over: the most drains at once. When it changes, "
        "idempotency keys of before count anew.",
    )
    partition_by: Literal["hour", "day", "month"] = Field(
        "day",
        description="Span of one partition of the events table: `hour`, `day` or `month`.",
    )
    database_pool: int = Field(
        8, ge=1, le=100, description="PostgreSQL connections a process may hold."
    )
