"""Variables that look like settings of the service and are none."""

import logging
import os
from difflib import get_close_matches
from pathlib import Path

from dotenv import dotenv_values
from pydantic_settings import BaseSettings

from api.settings import ApiSettings
from cli.errors import UsageError
from cli.settings import CliSettings
from storage.settings import StorageSettings
from worker.settings import WorkerSettings

log = logging.getLogger(__name__)

PREFIX = "ACTIVITY_"
CLASSES: tuple[type[BaseSettings], ...] = (
    StorageSettings,
    ApiSettings,
    WorkerSettings,
    CliSettings,
)


def known_variables() -> set[str]:
    """The variable of every setting that there is."""
    return {f"{PREFIX}{name.upper()}" for cls in CLASSES for name in cls.model_fields}


def warn_of_misspelt_variables(env_file: Path = Path(".env")) -> None:
    """Warn of each variable of the environment and of `.env` that nothing reads.

    Raises `UsageError` for a `.env` that can't be read: its settings would be lost.
    """
    known = known_variables()
    for name in sorted({*os.environ, *_names_in(env_file)}):
        if name.upper().startswith(PREFIX) and name.upper() not in known:
            near = get_close_matches(name.upper(), known, 1)
            hint = f"did you mean {near[0]}?" if near else "docs/settings.md lists those there are"
            log.warning("%s is not a setting: it is ignored; %s", name, hint)


def _names_in(env_file: Path) -> set[str]:
    if not env_file.is_file():
        return set()
    try:
        return set(dotenv_values(env_file))
    except OSError as error:
        raise UsageError(f"{env_file.absolute()} can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{env_file.absolute()} is not UTF-8 text") from None
