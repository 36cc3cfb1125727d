"""Find the key that a command names, by its ID or by its name. Pure."""

import re
from collections.abc import Iterable
from datetime import datetime

from cli.errors import CliError
from storage.access.api_key import ApiKey
from storage.access.key_records import KeyRecords, holder_of_name
from storage.access.token import ID_LENGTH, PREFIX
from storage.model.suggestion import did_you_mean

_MAX_NAMED = 5
_has_beginning_of_token = re.compile(rf"{PREFIX}_[0-9A-Za-z]{{{ID_LENGTH}}}_").match


class NoSuchKey(CliError):
    """No key has this ID or name, or several have the name."""


def find(records: KeyRecords, reference: str, now: datetime) -> ApiKey:
    """Return the key with this ID, else the one with this name.

    Of several keys with the name, return the one that has not ended; if all have ended, the newest.
    Raises NoSuchKey.
    """
    _refuse_token(reference)
    if reference in records.unreadable:
        raise NoSuchKey(
            f"the record of the key {reference} can't be read, and nobody may use the key"
        )
    if reference in records.keys:
        return records.keys[reference]
    named = sorted(
        (key for key in records.keys.values() if key.name == reference),
        key=lambda key: (key.created_at, key.id),
    )
    valid = [key for key in named if key.is_valid_at(now)]
    if len(valid) > 1:
        raise NoSuchKey(f"{len(valid)} keys are named {reference}: give an ID ({_ids(valid)})")
    if not named:
        known = [*records.keys, *(key.name for key in records.keys.values())]
        hint = did_you_mean(reference, known) or "; `activity keys list --all` shows all keys"
        raise NoSuchKey(f"no key has the ID or the name {reference!r}{hint}")
    return (valid or named)[-1]


def require_free_name(records: KeyRecords, name: str, now: datetime) -> None:
    """Raise CliError if a key that stays has this name."""
    if holder := holder_of_name(records, name, now):
        raise CliError(
            f"there is a key named {name} already ({holder.id}): choose another name, or "
            f"`activity keys rotate {holder.id}` for a new token"
        )


def _refuse_token(reference: str) -> None:
    """Raise NoSuchKey, which does not show the token, for a token in the place of an ID."""
    if _has_beginning_of_token(reference):
        raise NoSuchKey(
            "that is a token, or part of one: give the ID of its key, the 8 characters after "
            f"{PREFIX}_. The token is now in the history of your shell, so rotate the key"
        )


def _ids(keys: Iterable[ApiKey]) -> str:
    ids = [key.id for key in keys]
    more = ", ..." if len(ids) > _MAX_NAMED else ""
    return ", ".join(ids[:_MAX_NAMED]) + more
