"""The addresses of the three servers, and the values that API and workers must agree on."""

import logging
import os
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, Self
from urllib.parse import quote, urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from storage.addresses import (
    database_address,
    queue_address,
    read_address,
    redis_address,
    secrets_of,
    with_password,
)
from storage.errors import SettingsError
from storage.logs.formats import Form
from storage.logs.redaction import learn
from storage.secret_files import FROM_FILE, SecretFiles

# The command tells once of a line in `.env` that can't be read; each reading would tell again.
logging.getLogger("dotenv.main").setLevel(logging.ERROR)

MAX_SHARDS = 64
MAX_REPLICAS = 8
_OF_LIBPQ = "PGPASSWORD"  # for an address of the database that has none
_RECEIVERS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")

QueueAddress = Annotated[str, AfterValidator(queue_address), FROM_FILE]
RedisAddress = Annotated[str, AfterValidator(redis_address), FROM_FILE]
DatabaseAddress = Annotated[str, AfterValidator(database_address), FROM_FILE]
ReadAddress = Annotated[str, AfterValidator(read_address), FROM_FILE]
Password = Annotated[SecretStr | None, FROM_FILE]


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


Level = Annotated[Literal["debug", "info", "warning", "error", "critical"], BeforeValidator(_lower)]


class Settings(BaseSettings):
    """Settings from `ACTIVITY_*` environment variables or `.env`; secrets also from files.

    Raises SettingsError, which names each variable that is not valid, and never its value.
    """

    model_config = SettingsConfigDict(
        env_prefix="ACTIVITY_", env_file=".env", extra="ignore", hide_input_in_errors=True
    )

    if not TYPE_CHECKING:  # type checkers derive the parameters from the fields

        def __init__(self, **values: Any) -> None:
            try:
                super().__init__(**values)
            except ValidationError as error:
                raise SettingsError("; ".join(map(_describe, error.errors()))) from None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return arguments, the environment with the files that it names, and `.env` likewise."""
        assert isinstance(env_settings, EnvSettingsSource)
        assert isinstance(dotenv_settings, EnvSettingsSource)
        given, environment = init_settings(), env_settings.env_vars
        return (
            init_settings,
            env_settings,
            SecretFiles(settings_cls, environment, given),
            dotenv_settings,
            SecretFiles(settings_cls, dotenv_settings.env_vars, {**environment, **given}),
        )


def _describe(error: Any) -> str:
    name = ".".join(map(str, error["loc"])).upper()
    text = error["msg"].removeprefix("Value error, ")
    return f"ACTIVITY_{name}: {text}" if name else text  # without one, several are named


class LogSettings(Settings):
    """Settings of the log of every process that runs on, from `ACTIVITY_*` variables or `.env`."""

    log: Annotated[Form, BeforeValidator(_lower)] = Field(
        "text", description="Form of log records: `text`, or `json` (one object a line)."
    )
    log_level: Level = Field(
        "warning",
        description="Log records of this level and above: `debug`, `info`, `warning`, `error` or "
        "`critical`.",
    )


class SpanSettings(NamedTuple):
    """What the variables of OpenTelemetry say; its SDK reads them, and others, for itself."""

    wanted: bool
    secrets: tuple[str, ...]

    @classmethod
    def of_environment(cls) -> Self:
        """Read the environment."""
        told = {name: text for name, text in os.environ.items() if name.startswith("OTEL_")}
        receiver = any(told.get(name) for name in _RECEIVERS)
        is_off = (
            told.get("OTEL_SDK_DISABLED", "").lower() == "true"
            or told.get("OTEL_TRACES_EXPORTER") == "none"
        )
        headers = [text for name, text in told.items() if name.endswith("_HEADERS")]
        values = (pair.partition("=")[2].strip() for each in headers for pair in each.split(","))
        return cls(receiver and not is_off, tuple(values))


class StorageSettings(Settings):
    """Settings of every process, from `ACTIVITY_*` environment variables or `.env`."""

    queue_url: QueueAddress = Field(
        "redis://localhost:6379/0",
        repr=False,
        description="The queue: Redis or Valkey with `appendfsync always` and `noeviction`; one "
        "server, a cluster, or a primary that Sentinels watch.",
    )
    control_url: RedisAddress = Field(
        "redis://localhost:6380/0",
        repr=False,
        description="Control: RQ's keys and the query cache. Disposable, `volatile-lru`.",
    )
    queue_password: Password = Field(
        None, description="Password for an `ACTIVITY_QUEUE_URL` that has none, not percent-encoded."
    )
    control_password: Password = Field(
        None,
        description="Password for an `ACTIVITY_CONTROL_URL` that has none, not percent-encoded.",
    )
    database_url: DatabaseAddress = Field(
        "postgresql+psycopg2://localhost/activity",
        repr=False,
        description="PostgreSQL 17 or newer, as an SQLAlchemy URL; it may list several hosts.",
    )
    database_password: Password = Field(
        None,
        description="Password for an `ACTIVITY_DATABASE_URL` and an `ACTIVITY_READ_URL` that have "
        "none, not percent-encoded.",
    )
    read_url: ReadAddress = Field(
        "",
        repr=False,
        description="Standbys of PostgreSQL that readers may use: an address like "
        "`ACTIVITY_DATABASE_URL`, which may list several hosts. Set it for API processes and for "
        "workers.",
    )
    shards: int = Field(
        4,
        ge=1,
        le=MAX_SHARDS,
        description="Streams over which events are spread: the maximum number of drains at once. "
        "When it changes, existing idempotency keys are no longer recognised.",
    )
    partition_by: Literal["hour", "day", "month"] = Field(
        "day",
        description="Time span of one partition of the events table: `hour`, `day` or `month`.",
    )
    database_pool: int = Field(
        8,
        ge=1,
        le=100,
        description="Maximum number of PostgreSQL connections of an API process, beside two for "
        "statistics, three for readers of the feed, two for administrators and one for the counts "
        "that it was told of the queue.",
    )
    queue_durability: Literal["checked", "trusted"] = Field(
        "checked",
        description="`checked`: the service checks that the queue keeps acknowledged events. "
        "`trusted`: you state that it does, also through a failover; nothing is checked.",
    )

    queue_replicas: int = Field(
        0,
        ge=0,
        le=MAX_REPLICAS,
        description="Replicas of the queue that must have events on their disk before they are "
        "acknowledged; on a cluster those of the shard's primary.",
    )

    @model_validator(mode="after")
    def _with_passwords(self) -> Self:
        for role in ("queue", "control"):
            url = getattr(self, f"{role}_url")
            complete = _with_redis_password(url, getattr(self, f"{role}_password"))
            if complete != url:  # assigning a default would make it count as set
                setattr(self, f"{role}_url", complete)
        if self.database_password:
            password = self.database_password.get_secret_value()
            self.database_url = with_password(self.database_url, password)
            if self.read_url:
                self.read_url = with_password(self.read_url, password)
        return self

    @model_validator(mode="after")
    def _kept_out_of_logs(self) -> Self:
        for url in filter(
            None, (self.queue_url, self.control_url, self.database_url, self.read_url)
        ):
            learn(*secrets_of(url))
        for password in (self.queue_password, self.control_password, self.database_password):
            learn(password.get_secret_value() if password else "")
        learn(os.environ.get(_OF_LIBPQ, ""))
        return self


def _with_redis_password(url: str, password: SecretStr | None) -> str:
    """Put the password into the address of a host that has none. A unix socket needs none."""
    parts = urlsplit(url)
    if not (password and password.get_secret_value() and parts.hostname) or parts.password:
        return url
    login, _, host = parts.netloc.rpartition("@")
    user = login.partition(":")[0]
    secret = quote(password.get_secret_value(), safe="")
    return parts._replace(netloc=f"{user}:{secret}@{host}").geturl()
