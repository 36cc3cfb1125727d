"""Where the three servers are, and the figures both sides of the queue must agree on."""

from typing import Literal, Self
from urllib.parse import quote, urlsplit

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

MAX_SHARDS = 64


class StorageSettings(BaseSettings):
    """Read from `ACTIVITY_*` environment variables or `.env`."""

    model_config = SettingsConfigDict(env_prefix="ACTIVITY_", env_file=".env", extra="ignore")

    queue_url: str = Field(
        "redis://localhost:6379/0",
        repr=False,
        description="The queue: Redis or Valkey with `appendfsync always` and `noeviction`.",
    )
    control_url: str = Field(
        "redis://localhost:6380/0",
        repr=False,
        description="Control: RQ's keys and the query cache. Disposable, `volatile-lru`.",
    )
    queue_password: SecretStr | None = Field(
        None, description="Password for an `ACTIVITY_QUEUE_URL` that has none, not percent-encoded."
    )
    control_password: SecretStr | None = Field(
        None,
        description="Password for an `ACTIVITY_CONTROL_URL` that has none, not percent-encoded.",
    )
    database_url: str = Field(
        "postgresql+psycopg2://localhost/activity",
        repr=False,
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

    @model_validator(mode="after")
    def _with_passwords(self) -> Self:
        for role in ("queue", "control"):
            url = getattr(self, f"{role}_url")
            complete = _with_password(url, getattr(self, f"{role}_password"))
            if complete != url:  # else an address that nobody has set would count as set
                setattr(self, f"{role}_url", complete)
        return self


def _with_password(url: str, password: SecretStr | None) -> str:
    """Put a password into the address of a host that has none. A socket of ours needs none."""
    parts = urlsplit(url)
    if not (password and password.get_secret_value() and parts.hostname) or parts.password:
        return url
    login, _, host = parts.netloc.rpartition("@")
    user = login.partition(":")[0]
    secret = quote(password.get_secret_value(), safe="")
    return parts._replace(netloc=f"{user}:{secret}@{host}").geturl()
