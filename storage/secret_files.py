"""Settings from files: secrets that an orchestrator mounts instead of passing them as variables.

A variable is seen by every child process and in `docker inspect`; a file can be for one user only.
"""

import os
import stat
from collections.abc import Mapping
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from storage.errors import SettingsError

MAX_BYTES = 16 * 1024
SUFFIX = "_FILE"
_PREFIX = "ACTIVITY_"


class FromFile:
    """Marks a setting that may be in the file that `<its variable>_FILE` names."""


FROM_FILE = FromFile()


def file_variables(settings: type[BaseSettings]) -> list[str]:
    """Return the variables that name a file with a setting of this class."""
    marked = (name for name, field in settings.model_fields.items() if _is_marked(field))
    return [f"{_PREFIX}{name.upper()}{SUFFIX}" for name in marked]


class SecretFiles(PydanticBaseSettingsSource):
    """Reads the files that `variables` name.

    `variables` are those of one source, the environment or `.env`, with names in lower case, and
    `stronger` those of the sources that override it. Calling it raises SettingsError.
    """

    def __init__(
        self,
        settings_cls: type[BaseSettings],
        variables: Mapping[str, str | None],
        stronger: Mapping[str, Any],
    ) -> None:
        super().__init__(settings_cls)
        self._variables = variables
        self._stronger = stronger

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return the text of the setting's file, None without a file."""
        variable = f"{_PREFIX}{field_name}".lower()
        variable_of_file = f"{variable}{SUFFIX}".lower()
        path = self._variables.get(variable_of_file)
        overridden = self._stronger.keys() & {field_name, variable, variable_of_file}
        if not path or overridden or not _is_marked(field):
            return None, field_name, False
        name = variable_of_file.upper()
        if variable in self._variables:
            raise SettingsError(
                f"{variable.upper()} and {name} are both set: leave out one of them"
            )
        try:
            return read_secret(path), field_name, False
        except ValueError as error:
            raise SettingsError(f"{name}: {path} {error}") from None

    def __call__(self) -> dict[str, Any]:
        """Return the settings that are in files."""
        fields = self.settings_cls.model_fields.items()
        found = {name: self.get_field_value(field, name)[0] for name, field in fields}
        return {name: text for name, text in found.items() if text is not None}


def read_secret(path: str) -> str:
    """Return the text of a file without its last line end.

    Raises ValueError, which says what is wrong with the file, and never what is in it.
    """
    try:
        # A pipe would block without O_NONBLOCK. Links are followed: Kubernetes makes them.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise ValueError(f"can't be read: {error.strerror}") from None
    try:
        _require_regular(os.fstat(descriptor).st_mode)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return _text(file.read(MAX_BYTES + 1))
    finally:
        os.close(descriptor)


def _require_regular(mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise ValueError("is not a regular file")
    if mode & stat.S_IWOTH:
        raise ValueError("may be written by every user: chmod o-w")


def _text(content: bytes) -> str:
    if len(content) > MAX_BYTES:
        raise ValueError(f"has more than {MAX_BYTES} bytes")
    try:
        text = content.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8 text") from None
    if not text:
        raise ValueError("is empty")
    return text


def _is_marked(field: FieldInfo) -> bool:
    return FROM_FILE in field.metadata
