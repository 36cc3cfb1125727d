"""The API key that requests carry."""

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from activity_client.errors import BadKey

KEY = "ACTIVITY_KEY"
KEY_FILE = "ACTIVITY_KEY_FILE"

_MAX_CHARACTERS = 1000
_id_in = re.compile(r"act_([0-9A-Za-z]{8})_").match
_is_key = re.compile(r"[!-~]{1,500}").fullmatch


class Credentials:
    """An API key, or a file that holds one; without both, requests carry none.

    The file is read for each request, so that a new key takes effect without a restart. A file that
    can't be read any more leaves the last key in use.

    Raises:
        BadKey: The key has characters that no key has, or the file can't be read.
    """

    def __init__(self, key: str | None = None, file: str | os.PathLike[str] | None = None) -> None:
        self._file = None if key or not file else Path(file)
        self._key = _checked(key) if key else None
        if self._file is not None:
            self._key = self._read(self._file)

    @property
    def key_id(self) -> str:
        """Return the public id in the API key, "" if there is none."""
        found = _id_in(self._key or "")
        return found[1] if found else ""

    @classmethod
    def of_environment(cls) -> "Credentials":
        """Return the key of ACTIVITY_KEY, or else of the file that ACTIVITY_KEY_FILE names."""
        return cls(os.environ.get(KEY), os.environ.get(KEY_FILE))

    def headers(self) -> Mapping[str, str]:
        """Return the headers of the next request."""
        if self._file is not None:
            with suppress(BadKey):
                self._key = self._read(self._file)
        return {"Authorization": f"Bearer {self._key}"} if self._key else {}

    @staticmethod
    def _read(file: Path) -> str:
        try:
            with file.open() as opened:
                return _checked(opened.read(_MAX_CHARACTERS))
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "it is no text"
            raise BadKey(f"the API key can't be read from {file}: {why}") from None


def _checked(text: str) -> str:
    """Return the key without white space around it. The error never shows it."""
    key = text.strip()
    if not _is_key(key):
        raise BadKey("the API key is empty, or has characters that no key has")
    return key
