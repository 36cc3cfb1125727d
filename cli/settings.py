"""Settings of `activity`: options override `ACTIVITY_*` variables, which override `.env`."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from cli.errors import UsageError

_LIBPQ = "PG"  # the prefix of every libpq variable


class CliSettings(BaseSettings):
    """The settings from `ACTIVITY_*` environment variables or `.env`; options override them."""

    model_config = SettingsConfigDict(env_prefix="ACTIVITY_", env_file=".env", extra="ignore")

    host: str = Field(
        "127.0.0.1", description="Address to listen on; `::` means every IPv6 and IPv4 address."
    )
    port: int = Field(
        5000, ge=0, le=65535, description="TCP port to listen on; 0 takes a free port."
    )
    data_dir: Path = Field(
        Path(".data"), description="Data folder: data, logs and sockets of the embedded servers."
    )
    api_processes: int = Field(
        1, ge=1, le=64, description="Number of API processes; all listen on the same address."
    )
    workers: int = Field(2, ge=1, le=64, description="Number of worker processes.")
    probe_port: int | None = Field(
        None,
        ge=0,
        le=65535,
        description="TCP port on which `activity worker` and `activity up` answer `GET /health` "
        "and `GET /metrics` of the workers; 0 takes a free port. Off without it.",
    )
    probe_host: str = Field("127.0.0.1", description="Address of `ACTIVITY_PROBE_PORT`.")
    tls_cert: Path | None = Field(
        None,
        description="Certificate and its chain, in PEM: the API serves HTTPS. Read again by a "
        "rolling restart.",
    )
    tls_key: Path | None = Field(
        None, description="Key of `ACTIVITY_TLS_CERT`, in PEM without a passphrase."
    )
    tls_ca: Path | None = Field(
        None,
        description="Certificates of authorities, in PEM, that `activity send`, `query`, `get`, "
        "`status` and `health` trust for `https://` addresses, in place of the system's.",
    )
    url: str = Field(
        "http://127.0.0.1:5000",
        description="Address of the service that `activity send` posts to, and that `activity "
        "query` and `get` ask.",
    )
    key: SecretStr | None = Field(
        None,
        description="API key that `activity send`, `query`, `get` and `status` and the Python "
        "client use.",
    )
    key_file: Path | None = Field(
        None, description="File with the API key, if `ACTIVITY_KEY` is not set."
    )
    admin_key_file: Path | None = Field(
        None,
        description="File with the token of the first admin key. `activity migrate` and "
        "`activity up` import it, or make it if there is no admin key.",
    )
    queue_maxmemory: str = Field(
        "1gb",
        pattern=r"^[1-9][0-9]*(b|k|kb|m|mb|g|gb)?$",
        description="Memory limit of the embedded queue: bytes, or with a unit (`mb`, `gb`).",
    )


def load_settings(options: Mapping[str, Any]) -> CliSettings:
    """Return the settings, overridden by the options that are not None.

    Raises `UsageError`, which names each option or variable that is not acceptable.
    """
    given = {name: value for name, value in options.items() if value is not None}
    try:
        return CliSettings(**given)
    except ValidationError as error:
        raise UsageError("; ".join(map(_fault, error.errors()))) from None


def option_name(name: str) -> str:
    """Return the option of a setting: `--data-dir` for `data_dir`."""
    return f"--{name.replace('_', '-')}"


def _fault(fault: ErrorDetails) -> str:
    name = ".".join(map(str, fault["loc"]))
    return f"{option_name(name)} (ACTIVITY_{name.upper()}): {_reason(name, fault)}"


def _reason(name: str, fault: ErrorDetails) -> str:
    """Return the wrong value and what would be right."""
    if fault["type"] == "string_pattern_mismatch":
        return f"{fault['input']!r} is not a size like 512mb or 1gb"
    field = CliSettings.model_fields.get(name)
    bounds = field.metadata if field else []
    minimum = [bound.ge for bound in bounds if hasattr(bound, "ge")]
    maximum = [bound.le for bound in bounds if hasattr(bound, "le")]
    if not minimum or not maximum:
        return fault["msg"]
    return f"{str(fault['input'])!r} is not a whole number from {minimum[0]} to {maximum[0]}"


def state_folder() -> Path:
    """Return our folder for state that outlives a restart (XDG Base Directory)."""
    configured = Path(os.environ.get("XDG_STATE_HOME", ""))
    base = configured if configured.is_absolute() else Path("~/.local/state").expanduser()
    return base / "activity-service"


def wants_colour() -> bool:
    """Return whether a terminal may be given colours (https://no-color.org, `TERM=dumb`)."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def child_environment(packages: str, urls: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of an API or worker process.

    `packages` is the folder that Python searches first for modules. `urls` are the addresses of a
    run's servers; with them libpq's variables are left out, because they describe another server.
    """
    path = os.pathsep.join(filter(None, [packages, os.environ.get("PYTHONPATH")]))
    # The file of an address would contradict the address.
    named_files = tuple(f"{name}_FILE" for name in urls)
    inherited = _without((_LIBPQ, *named_files)) if urls else os.environ
    return {**inherited, "PYTHONPATH": path, **urls}


def forget_libpq_variables() -> None:
    """Remove libpq's variables (`PGPORT`, `PGSERVICE`, ...) from this process.

    libpq takes from them what an address leaves out, and an address can't override all of them.
    Call this before connecting to the embedded PostgreSQL.
    """
    for name in [name for name in os.environ if name.startswith(_LIBPQ)]:
        del os.environ[name]


def server_environment() -> dict[str, str]:
    """Return an environment for PostgreSQL and Valkey that the caller's variables can't change."""
    return {**_without((_LIBPQ, "ACTIVITY_", "LC_")), "LC_ALL": "C", "TZ": "UTC"}


def _without(prefixes: str | tuple[str, ...]) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}
