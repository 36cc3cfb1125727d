"""The JSON form of an API key's record, as the queue keeps it. Pure.

The form is strict: a record with an unknown field, without a required one or with a wrong value is
unreadable, and nobody may use its key. So an older version of the service never ignores a limit
that only a newer version knows.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from storage.access.api_key import ApiKey, Scope
from storage.access.token import is_key_id
from storage.postgres.instants import is_storable

MAX_RECORD_BYTES = 65_536
DIGEST_BYTES = 32

# Without control characters: PostgreSQL refuses NUL, and terminals show names.
_Text = Annotated[str, Meta(min_length=1, max_length=500, pattern=r"\A[^\x00-\x1f\x7f-\x9f]+\Z")]
_Texts = Annotated[tuple[_Text, ...], Meta(max_length=100)]
_Instant = Annotated[datetime, Meta(tz=True)]
_Limit = Annotated[int, Meta(ge=1, le=2**53)]


class UnreadableRecord(ValueError):
    """This is no record of the key. The message does not contain what it is."""


class _Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    id: str
    digest: str
    name: _Text
    scopes: Annotated[tuple[Scope, ...], Meta(min_length=1)]
    created_at: _Instant
    components: _Texts = ()
    environments: _Texts = ()
    events_per_second: _Limit | None = None
    events_per_day: _Limit | None = None
    origins: _Texts = ()
    expires_at: _Instant | None = None
    revoked_at: _Instant | None = None
    last_used_at: _Instant | None = None


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Record).decode


def encode_key(key: ApiKey) -> bytes:
    """Return the record as JSON. Equal records have equal bytes."""
    return _encode(_record(key))


def decode_key(key_id: str, raw: bytes) -> ApiKey:
    """Return the record of the key with this id. Raises UnreadableRecord."""
    if len(raw) > MAX_RECORD_BYTES:
        raise UnreadableRecord(f"the record has more than {MAX_RECORD_BYTES:,} bytes")
    return _checked(key_id, lambda: _decode(raw))


def key_document(key: ApiKey) -> dict[str, Any]:
    """Return the record as a JSON document: what `encode_key` encodes."""
    document: dict[str, Any] = msgspec.to_builtins(_record(key))
    return document


def key_from(key_id: str, document: Mapping[str, Any]) -> ApiKey:
    """Return the record of the key with this id from its fields. Raises UnreadableRecord."""
    return _checked(key_id, lambda: msgspec.convert(document, _Record))


def _record(key: ApiKey) -> _Record:
    return _Record(
        id=key.id,
        digest=key.digest.hex(),
        name=key.name,
        scopes=tuple(sorted(key.scopes)),
        created_at=key.created_at.astimezone(UTC),
        components=key.components,
        environments=key.environments,
        events_per_second=key.events_per_second,
        events_per_day=key.events_per_day,
        origins=key.origins,
        expires_at=_in_utc(key.expires_at),
        revoked_at=_in_utc(key.revoked_at),
        last_used_at=_in_utc(key.last_used_at),
    )


def _checked(key_id: str, read: Callable[[], _Record]) -> ApiKey:
    try:
        return _key(key_id, read())
    except UnreadableRecord:
        raise
    except (ValueError, OverflowError, RecursionError):  # msgspec's, and times out of range
        raise UnreadableRecord("the record is no API key of this version") from None


def _key(key_id: str, record: _Record) -> ApiKey:
    digest = bytes.fromhex(record.digest)
    if record.id != key_id or not is_key_id(key_id):
        raise UnreadableRecord("the record is of another key")
    if len(digest) != DIGEST_BYTES:
        raise UnreadableRecord("the record has no digest of a token")
    if len(set(record.scopes)) != len(record.scopes):
        raise UnreadableRecord("the record names a scope twice")
    times = (record.created_at, record.expires_at, record.revoked_at, record.last_used_at)
    if not all(map(is_storable, times)):
        raise UnreadableRecord("the record has a time that can't be stored")
    return ApiKey(
        id=record.id,
        digest=digest,
        name=record.name,
        scopes=frozenset(record.scopes),
        created_at=record.created_at.astimezone(UTC),
        components=record.components,
        environments=record.environments,
        events_per_second=record.events_per_second,
        events_per_day=record.events_per_day,
        origins=record.origins,
        expires_at=_in_utc(record.expires_at),
        revoked_at=_in_utc(record.revoked_at),
        last_used_at=_in_utc(record.last_used_at),
    )


def _in_utc(instant: datetime | None) -> datetime | None:
    return instant and instant.astimezone(UTC)
