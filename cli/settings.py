"""What `activity` may be told by options, `ACTIVITY_*` variables or `.env`, in this order."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from cli.errors import UsageError

_LIBPQ = "PG"  # every variable of libpq begins so


class CliSettings(BaseSettings):
    """Read from `ACTIVITY_*` environment variables or `.env`; options override them."""

    model_config = SettingsConfigDict(env_prefix="ACTIVITY_", env_file=".env", extra="ignore")

    host: str = Field(
        "127.0.0.1", description="Address to listen on; `::` is every address, of IPv4 too."
    )
    port: int = Field(
        5000, ge=0, le=65535, description="TCP port to listen on; 0 takes any free one."
    )
    data_dir: Path = Field(
        Path(".data"), description="Folder of the embedded servers' data, logs and sockets."
    )
    api_processes: int = Field(1, ge=1, le=64, description="API processes on the one address.")
    workers: int = Field(2, ge=1, le=64, description="Worker processes.")
    url: str = Field(
        "http://127.0.0.1:5000", description="Address of the service that `activity send` posts to."
    )
    queue_maxmemory: str = Field(
        "1gb",
        pattern=r"^[1-9][0-9]*(b|k|kb|m|mb|g|gb)?$",
        description="Memory limit of the embedded queue in bytes, or with a unit (`mb`, `gb`).",
    )


def load_settings(options: Mapping[str, Any]) -> CliSettings:
    """The settings with the given options (None: not given) on top.

    Raises `UsageError` naming each option or variable that is not acceptable.
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
    """The value, and what would be right."""
    if fault["type"] == "string_pattern_mismatch":
        return f"{fault['input']!r} is not a size like 512mb or 1gb"
    field = CliSettings.model_fields.get(name)
    bounds = field.metadata if field else []
    least = [one.ge for one in bounds if hasattr(one, "ge")]
    most = [one.le for one in bounds if hasattr(one, "le")]
    if not least or not most:
        return fault["msg"]
    return f"{str(fault['input'])!r} is not a whole number from {least[0]} to {most[0]}"


def state_folder() -> Path:
    """Where a user's programs keep what should outlive a restart (XDG Base Directory)."""
    named = Path(os.environ.get("XDG_STATE_HOME", ""))
    base = named if named.is_absolute() else Path("~/.local/state").expanduser()
    return base / "activity-service"


def child_environment(packages: str, urls: Mapping[str, str]) -> dict[str, str]:
    """The environment of an API or worker process, with the given addresses on top.

    `packages` is the folder its modules are looked up in first. With addresses, libpq's variables
    are left out: they speak of another server.
    """
    path = os.pathsep.join(filter(None, [packages, os.environ.get("PYTHONPATH")]))
    kept = _without(_LIBPQ) if urls else os.environ
    return {**kept, "PYTHONPATH": path, **urls}


def forget_libpq_variables() -> None:
    """Remove libpq's variables (`PGPORT`, `PGSERVICE`, ...) from this process.

    libpq fills in what an address leaves out from them, and some of them an address cannot
    override. Call it where the embedded PostgreSQL is used.
    """
    for name in [name for name in os.environ if name.startswith(_LIBPQ)]:
        del os.environ[name]


def server_environment() -> dict[str, str]:
    """Our environment for PostgreSQL and Valkey: nothing of the caller's may configure them."""
    return {**_without((_LIBPQ, "ACTIVITY_", "LC_")), "LC_ALL": "C", "TZ": "UTC"}


def _without(prefixes: str | tuple[str, ...]) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}
