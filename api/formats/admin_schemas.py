"""The answers to administrators, and of rates, for the OpenAPI document."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

_FAILURES = "Which of the queue and PostgreSQL could not be asked or told, and why."
_EVENT = "Of the event; null: its bytes are no JSON, too many for a list, or do not say."


class DeadLetterAnswer(BaseModel):
    """A dead letter in a list."""

    id: UUID
    created_at: datetime = Field(description="When the event was accepted.")
    refused_at: datetime
    reason: str
    size: int = Field(description="The bytes of the event.")
    component: str | None = Field(description=_EVENT)
    environment: str | None = Field(description=_EVENT)
    message: str | None = Field(description=f"Its first 200 characters. {_EVENT}")


class DeadLettersAnswer(BaseModel):
    """A page of dead letters, the newest event first."""

    dead_letters: list[DeadLetterAnswer]
    next_after: UUID | None = Field(
        description="The `after` of the next page; null: there are no more."
    )


class OriginalAnswer(BaseModel):
    """A dead letter with the original bytes of its event."""

    id: UUID
    created_at: datetime
    refused_at: datetime
    reason: str
    size: int
    is_whole: bool = Field(description="false: `original` has only the first 1 MiB.")
    encoding: Literal["utf-8", "base64"] = Field(
        description="`utf-8`: `original` is the text; `base64`: the bytes are no UTF-8."
    )
    original: str


class ReplayResult(BaseModel):
    """What became of one dead letter in a replay."""

    id: UUID
    result: Literal["stored", "stored_already", "refused", "not_found", "unknown", "not_tried"]
    reason: str | None = None


class ReplayAnswer(BaseModel):
    """What became of each dead letter, in the order asked, each once."""

    results: list[ReplayResult]


class DiscardResult(BaseModel):
    """What became of one dead letter that was to be discarded."""

    id: UUID
    result: Literal["discarded", "not_found", "unknown", "not_tried"]
    reason: str | None = None


class DiscardAnswer(BaseModel):
    """What became of each dead letter, in the order asked, each once."""

    results: list[DiscardResult]


class KeyAnswer(BaseModel):
    """An API key, without its token."""

    id: str
    name: str
    scopes: list[Literal["write", "read", "observe", "admin"]]
    created_at: datetime = Field(description="1970: unknown, its token came from a file.")
    components: list[str]
    environments: list[str]
    events_per_second: int | None
    events_per_day: int | None
    origins: list[str]
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None = Field(description="null: not recorded.")
    status: Literal["active", "ending", "revoked", "expired"]


class KeysAnswer(BaseModel):
    """A page of keys, by name."""

    keys: list[KeyAnswer]
    next_after: str | None = Field(
        description="The `after` of the next page; null: there are no more."
    )
    unreadable: list[str] = Field(
        description="Ids whose record can't be read: nobody may use these keys."
    )
    failures: dict[str, str] = Field(description=f"{_FAILURES} Keys may be missing then.")


class NewKeyAnswer(BaseModel):
    """A new key. Its token is in no other answer."""

    key: KeyAnswer
    token: str
    failures: dict[str, str] = Field(
        description=f"{_FAILURES} The service copies the key there once it is back."
    )


class RotatedKeyAnswer(NewKeyAnswer):
    """A new key in the place of an old one."""

    old: KeyAnswer


class RevokedKeyAnswer(BaseModel):
    """A key that ends."""

    key: KeyAnswer
    changed: bool = Field(description="false: it ended at that time or before anyway.")
    failures: dict[str, str] = Field(
        description=f"{_FAILURES} The service copies the change there once it is back."
    )


class ActAnswer(BaseModel):
    """A line of the audit log."""

    id: UUID
    at: datetime
    actor: str = Field(description="`user@host`, or over HTTP `key ID@http`.")
    action: str
    target: str
    result: str
    details: dict[str, Any]


class ActsAnswer(BaseModel):
    """A page of the audit log, the newest first."""

    acts: list[ActAnswer]
    next_before: str | None = Field(
        description="The `before` of the next page; null: there are no more."
    )
    failures: dict[str, str] = Field(description=f"{_FAILURES} Acts may be missing then.")


class ErasureAnswer(BaseModel):
    """An erasure and how far it is. It never has the address."""

    id: UUID
    digest: str = Field(description="A keyed hash of the address.")
    before: datetime = Field(description="It erases what was created before this instant.")
    actor: str
    rewrite: bool
    step: str = Field(description="What it does now; `done` at its end.")
    waits_for: str | None = Field(description="What this step waits for; null: it goes on.")
    started_at: datetime
    finished_at: datetime | None = Field(description="null: it goes on.")
    deleted: int = Field(description="Stored events of the person that were deleted.")
    redacted: int = Field(description="Stored events in which the address was written over.")
    letters: int = Field(description="Dead letters that were deleted or written over.")
    remains: list[str] = Field(description="What it could not do, in words.")


class ErasuresAnswer(BaseModel):
    """The latest erasures, the latest first."""

    erasures: list[ErasureAnswer]


class MinuteAnswer(BaseModel):
    """What happened in one minute. null: it is not known."""

    minute: datetime = Field(description="When it begins.")
    accepted: int | None = Field(description="Events that the queue has accepted.")
    stored: int | None = Field(description="Rows that PostgreSQL has inserted.")
    duplicates: int | None = Field(description="Events that PostgreSQL already had.")
    dead: int | None = Field(description="Events that became dead letters.")
    erased: int | None = Field(
        description="Events that were dropped because their person was erased."
    )
    rejected: int | None = Field(description="Events that were refused, for any reason.")


class RatesAnswer(BaseModel):
    """The last 60 whole minutes, the oldest first."""

    minutes: list[MinuteAnswer]
