"""API keys for tests."""

from datetime import UTC, datetime
from typing import Any

from storage.access import token
from storage.access.api_key import ApiKey, Scope

START = datetime(2026, 1, 1, tzinfo=UTC)


def make_key(name: str = "billing", **more: Any) -> ApiKey:
    """Return the record of a new key."""
    text = token.new_token()
    fields: dict[str, Any] = {"scopes": frozenset({Scope.WRITE}), "created_at": START, **more}
    return ApiKey(token.id_of(text), token.digest(text), name, **fields)


def full_key() -> ApiKey:
    """Return a key in which every field has a value."""
    return make_key(
        "a name – with ünïcode",
        scopes=frozenset(Scope),
        components=("pay-*", "auth"),
        environments=("prod",),
        events_per_second=5000,
        events_per_day=10**9,
        origins=("https://a.example.com",),
        expires_at=datetime(2027, 1, 1, 12, 0, 0, 123456, tzinfo=UTC),
        revoked_at=datetime(2026, 6, 1, tzinfo=UTC),
        last_used_at=datetime(2026, 5, 1, tzinfo=UTC),
    )
