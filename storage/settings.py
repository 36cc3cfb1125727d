"""Where the three servers are, and the figures both sides of the queue must agree on."""

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self
from urllib.parse import quote, urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from storage.addresses import database_address, redis_address
from storage.errors import SettingsError

MAX_SHARDS = 64

RedisAddress = Annotated[str, AfterValidator(redis_address)]
DatabaseAddress = Annotated[str, AfterValidator(database_address)]


class Settings(BaseSettings):
    """Read from `ACTIVITY_*` environment variables or `.env`.

    Raises SettingsError, which names each variable that is not acceptable and never its value.
    """

    model_config = SettingsConfigDict(
        env_prefix="ACTIVITY_", env_file=".env", extra="ignore", hide_input_in_errors=True
    )

    if not TYPE_CHECKING:  # which knows the fields

        def __init__(self, **values: Any) -> None:
            try:
                super().__init__(**values)
            except ValidationError as error:
                raise SettingsError("; ".join(map(_fault, error.errors()))) from None


def _fault(one: Any) -> str:
    name = ".".join(map(str, one["loc"])).upper()
    return f"ACTIVITY_{name}: {one['msg'].removeprefix('Value error, ')}"


class StorageSettings(Settings):
    """Read from `ACTIVITY_*` environment variables or `.env`."""

    queue_url: RedisAddress = Field(
        "redis://localhost:6379/0",
        repr=False,
        description="The queue: Redis or Valkey with `appendfsync always` and `noeviction`.",
    )
    control_url: RedisAddress = Field(
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
    database_url: DatabaseAddress = Field(
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
    queue_durability: Literal["checked", "trusted"] = Field(
        "checked",
        description="`checked`: the queue is asked whether it keeps what is acknowledged. "
        "`trusted`: you state that it does, also through a failover; nothing is checked.",
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
