"""Read the settings of a probe without pydantic, whose import alone takes 0.2 s."""

import os
from functools import cache
from pathlib import Path

_ENV_FILE = Path(".env")  # as in the settings classes


def setting(name: str, default: str) -> str:
    """Return `ACTIVITY_<NAME>` from the environment or `.env`, else the default."""
    return _variables().get(f"ACTIVITY_{name.upper()}") or default


@cache
def _variables() -> dict[str, str]:
    # Ignore the case of names, as pydantic does.
    return {name.upper(): value for name, value in {**_from_file(), **os.environ}.items()}


def _from_file() -> dict[str, str]:
    if not _ENV_FILE.is_file():
        return {}
    # Imported here: most probes run where there is no such file.
    from dotenv import dotenv_values

    return {name: value for name, value in dotenv_values(_ENV_FILE).items() if value is not None}
