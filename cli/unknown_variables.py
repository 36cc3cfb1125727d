"""Warn of variables that look like settings but are none, and of bad lines in `.env`."""

import logging
import os
from pathlib import Path

from dotenv.parser import Original, parse_stream
from pydantic_settings import BaseSettings

from api.settings import ApiSettings
from cli.errors import UsageError
from cli.settings import CliSettings
from storage.model.suggestion import did_you_mean
from storage.secret_files import file_variables
from storage.settings import LogSettings, StorageSettings
from worker.settings import WorkerSettings

log = logging.getLogger(__name__)

PREFIX = "ACTIVITY_"
CLASSES: tuple[type[BaseSettings], ...] = (
    StorageSettings,
    LogSettings,
    ApiSettings,
    WorkerSettings,
    CliSettings,
)
_NO_SUGGESTION = "; docs/settings.md lists every setting"


def known_variables() -> set[str]:
    """Return the variable of every setting, and each that names a file with one."""
    names = {f"{PREFIX}{name.upper()}" for cls in CLASSES for name in cls.model_fields}
    return names.union(*map(file_variables, CLASSES))


def warn_of_unknown_variables(env_file: Path = Path(".env")) -> None:
    """Warn of each `ACTIVITY_*` variable in the environment or in `.env` that nothing reads.

    Warn of each line of `.env` that is not `NAME=VALUE`, too. Raises `UsageError` if `.env` can't
    be read: its settings would be ignored silently.
    """
    known = known_variables()
    for name in sorted({*os.environ, *_names_in(env_file)}):
        if name.upper().startswith(PREFIX) and name.upper() not in known:
            hint = did_you_mean(name.upper(), known) or _NO_SUGGESTION
            log.warning("%s is not a setting and is ignored%s", name, hint)


def _names_in(env_file: Path) -> set[str]:
    if not env_file.is_file():
        return set()
    try:
        with env_file.open(encoding="utf-8") as file:
            lines = list(parse_stream(file))
    except OSError as error:
        raise UsageError(f"{env_file.absolute()} can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{env_file.absolute()} is not UTF-8 text") from None
    for line in lines:
        if line.error:
            where = f"line {_number(line.original)} of {env_file.absolute()}"
            log.warning("%s is not NAME=VALUE, and is ignored", where)
    return {line.key for line in lines if line.key is not None}


def _number(found: Original) -> int:
    blank = len(found.string) - len(found.string.lstrip())
    return found.line + found.string.count("\n", 0, blank)
