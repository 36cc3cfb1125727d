"""A key as commands and answers show it: every field but the digest of its token. Pure."""

from datetime import datetime
from typing import Any

from storage.access.api_key import ApiKey
from storage.access.key_json import key_document


def document(key: ApiKey, now: datetime) -> dict[str, Any]:
    """Return the key as JSON, with every field, and without the digest of its token."""
    empty: dict[str, Any] = {
        "components": [],
        "environments": [],
        "events_per_second": None,
        "events_per_day": None,
        "origins": [],
        "expires_at": None,
        "revoked_at": None,
        "last_used_at": None,
    }
    found = {**empty, **key_document(key), "status": status(key, now)}
    return {name: value for name, value in found.items() if name != "digest"}


def status(key: ApiKey, now: datetime) -> str:
    """Return `active`, `ending` (to be revoked later), `revoked` or `expired`."""
    if key.is_valid_at(now):
        return "ending" if key.revoked_at else "active"
    return "revoked" if key.revoked_at and key.ends_at == key.revoked_at else "expired"
