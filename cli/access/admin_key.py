"""The first admin key, whose token is in a file: `ACTIVITY_ADMIN_KEY_FILE`.

If a run is killed at any step, the next run goes on. Two runs at once make one key. The record of a
token from a file is the same in every run. Otherwise a merge would take the records of two runs for
a forgery, and revoke the key.
"""

import os
import secrets
import stat
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from uuid import UUID

from cli.errors import CliError
from cli.safe_files import sync_folder
from storage.access import token
from storage.access.actor import actor
from storage.access.api_key import UNKNOWN_TIME, ApiKey, Scope
from storage.access.audit import AuditLine, Detail
from storage.access.key_table import KeyTable
from storage.access.token import InvalidToken

NAME = "admin"
SCOPES = frozenset({Scope.WRITE, Scope.READ, Scope.OBSERVE, Scope.ADMIN})
_VARIABLE = "ACTIVITY_ADMIN_KEY_FILE"
_MAX_BYTES = 1_000
_FORBIDDEN = stat.S_IRWXO | stat.S_IWGRP


def ensure_admin_key(table: KeyTable, file: Path, now: datetime) -> str:
    """Import the token in the file. Without the file, make one, unless there is an admin key.

    Returns what was done. Raises CliError for a file that is not usable, StorageError.
    """
    path = file.absolute()
    records = table.load()
    text, made = _read(path), False
    if text is None:
        if other := _valid_admin(records.keys.values(), now):
            return f"there is no file {path}; none was made, as {other.id} is an admin key"
        made = _write(path, token.new_token())
        text = _require(_read(path), path)
    key = _record(text)
    if key.id in records.unreadable:
        raise CliError(f"{path} ({_VARIABLE}): the record of the key {key.id} can't be read")
    known = records.keys.get(key.id)
    if known is None:
        _store(table, key, path, now)
        return f"{'made' if made else 'imported'} the admin key {key.id}; its token is in {path}"
    if not known.is_valid_at(now):
        return f"the admin key {key.id} in {path} has ended; delete the file to get a new one"
    return f"the admin key {key.id} in {path} is stored already"


def _store(table: KeyTable, key: ApiKey, path: Path, now: datetime) -> None:
    """Store the key. Its audit line has the same id in every run, so that it is one line."""
    told: dict[str, Detail] = {"name": key.name, "scopes": sorted(key.scopes)}
    told["file"] = ascii(str(path))[:500]
    line = AuditLine(
        actor(), "keys import", key.id, details=told, at=now, id=UUID(bytes=key.digest[:16])
    )
    table.merge({key.id: key}, [line])


def _valid_admin(keys: Iterable[ApiKey], now: datetime) -> ApiKey | None:
    valid = (key for key in keys if Scope.ADMIN in key.scopes and key.is_valid_at(now))
    return min(valid, key=lambda key: (key.created_at, key.id), default=None)


def _record(text: str) -> ApiKey:
    return ApiKey(
        id=token.id_of(text),
        digest=token.digest(text),
        name=NAME,
        scopes=SCOPES,
        created_at=UNKNOWN_TIME,
    )


def _read(path: Path) -> str | None:
    """Return the token in the file, None without a file. Raises CliError.

    A link is followed: Kubernetes mounts each file of a secret as a link.
    """
    try:
        # Without O_NONBLOCK, opening a named pipe would block. Files ignore the flag.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        _require_private(os.fstat(descriptor).st_mode, path)
        raw = os.read(descriptor, _MAX_BYTES)
    finally:
        os.close(descriptor)
    try:
        text = raw.decode("ascii").strip()
        token.id_of(text)
    except (UnicodeDecodeError, InvalidToken) as error:
        reason = str(error) if isinstance(error, InvalidToken) else "not a token"
        raise CliError(f"{path} ({_VARIABLE}): {reason}") from None
    return text


def _require_private(mode: int, path: Path) -> None:
    """Raise CliError for what is no file, or a file that others may read or replace."""
    if not stat.S_ISREG(mode):
        raise CliError(f"{path} ({_VARIABLE}) is not a file")
    if stat.S_IMODE(mode) & _FORBIDDEN:
        raise CliError(
            f"{path} ({_VARIABLE}) contains a token, and others may read it or replace it: "
            "chmod 600, or mode 0400 if a secret store makes the file"
        )


def _write(path: Path, text: str) -> bool:
    """Write the file whole and to the disk. Return False if another run has made one meanwhile.

    A link, unlike a rename, replaces no file.
    """
    writing = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        with os.fdopen(os.open(writing, flags, 0o600), "w") as file:
            file.write(f"{text}\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(writing, path)
            return True
        return False
    finally:
        writing.unlink(missing_ok=True)
        with suppress(OSError):
            sync_folder(path.parent)


def _require(text: str | None, path: Path) -> str:
    if text is None:
        raise CliError(f"{path} ({_VARIABLE}) is a link to nothing, or was deleted just now")
    return text
