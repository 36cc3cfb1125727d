"""The few settings that a probe needs, read without pydantic, which alone takes 0.2 s."""

import os
from functools import cache
from pathlib import Path

_ENV_FILE = Path(".env")  # as the settings classes have it


def setting(name: str, default: str) -> str:
    """Return `ACTIVITY_<NAME>` from the environment or `.env`, else the default."""
    return _variables().get(f"ACTIVITY_{name.upper()}") or default


@cache
def _variables() -> dict[str, str]:
    # Names are read in any case, as pydantic does.
    return {name.upper(): value for name, value in {**_from_file(), **os.environ}.items()}


def _from_file() -> dict[str, str]:
    if not _ENV_FILE.is_file():
        return {}
    # Here, because most probes run where there is no such file.
    from dotenv import dotenv_values

    return {name: value for name, value in dotenv_values(_ENV_FILE).items() if value is not None}
