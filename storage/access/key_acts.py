"""The acts on API keys: which records each of them writes, and its audit line. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from storage.access import token
from storage.access.api_key import ApiKey
from storage.access.audit import AuditLine, Detail
from storage.access.grants import Grants


class KeyHasEnded(ValueError):
    """A key that has ended can't be rotated."""


@dataclass(frozen=True, slots=True)
class Act:
    """Records to write in one step, and the line that says who did it."""

    keys: Sequence[ApiKey]
    line: AuditLine


@dataclass(frozen=True, slots=True)
class NewKey:
    """An act that makes a key, and the key's token, which is kept nowhere."""

    act: Act
    key: ApiKey
    token: str


def create(
    name: str, grants: Grants, expires_at: datetime | None, now: datetime, actor: str
) -> NewKey:
    """Make a key."""
    text = token.new_token()
    key = key_of(text, name, grants, expires_at, now)
    line = AuditLine(actor, "keys create", key.id, details=details(key), at=now)
    return NewKey(Act([key], line), key, text)


def key_of(
    text: str, name: str, grants: Grants, expires_at: datetime | None, now: datetime
) -> ApiKey:
    """Return the record of the key that has this token."""
    return ApiKey(
        id=token.id_of(text),
        digest=token.digest(text),
        name=name,
        scopes=grants.scopes,
        created_at=now,
        components=grants.components,
        environments=grants.environments,
        events_per_second=grants.events_per_second,
        events_per_day=grants.events_per_day,
        origins=grants.origins,
        expires_at=expires_at,
    )


def rotate(
    old: ApiKey, overlap: timedelta, expires_at: datetime | None, now: datetime, actor: str
) -> NewKey:
    """Make a key with the same grants, and revoke the old one after the overlap.

    Without `expires_at` the new key gets the life of the old one, from now on. Raises KeyHasEnded.
    """
    if not old.is_valid_at(now):
        raise KeyHasEnded(f"the key {old.id} has ended, so it can't be rotated")
    text = token.new_token()
    life = old.expires_at and old.expires_at - old.created_at
    new = replace(
        old,
        id=token.id_of(text),
        digest=token.digest(text),
        created_at=now,
        expires_at=expires_at or (now + life if life else None),
        revoked_at=None,
        last_used_at=None,
    )
    ending = old.revoked(now + overlap)
    told: dict[str, Detail] = {**details(new), "new_id": new.id, "ends_at": _text(ending.ends_at)}
    line = AuditLine(actor, "keys rotate", old.id, details=told, at=now)
    return NewKey(Act([new, ending], line), new, text)


def revoke(key: ApiKey, instant: datetime, now: datetime, actor: str) -> Act | None:
    """Revoke a key from an instant on. Return None if it ends at that time or earlier anyway."""
    if key.ends_at is not None and key.ends_at <= max(instant, now):
        return None
    revoked = key.revoked(instant)
    told: dict[str, Detail] = {"name": key.name, "ends_at": _text(revoked.ends_at)}
    return Act([revoked], AuditLine(actor, "keys revoke", key.id, details=told, at=now))


def details(key: ApiKey) -> dict[str, Detail]:
    """Return what the audit log says of a new key: its name, its grants and its expiry."""
    grants: dict[str, Detail] = {
        "scopes": sorted(key.scopes),
        "components": list(key.components),
        "environments": list(key.environments),
        "events_per_second": key.events_per_second,
        "events_per_day": key.events_per_day,
        "origins": list(key.origins),
        "expires_at": _text(key.expires_at),
    }
    return {"name": key.name, **{name: value for name, value in grants.items() if value}}


def _text(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat()
