"""What is posted and answered, for the OpenAPI document and for saying what is wrong."""

import re
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

NAME_CHARACTERS = 255
EMAIL_CHARACTERS = 254  # RFC 5321, 4.5.3.1.3, less the angle brackets

# "Valid e-mail address" of the WHATWG HTML standard: what browsers accept.
_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_EMAIL = rf"[a-zA-Z0-9.!#$%&'*+/=?^_`{{|}}~-]+@{_LABEL}(?:\.{_LABEL})*"
is_email = re.compile(_EMAIL).fullmatch

# For the document only: what is wrong is said in other words than a pattern's.
# Python strips these separators too, which are no white space in other languages' patterns.
FILLED_PATTERN = r"[^\s\x1c-\x1f\x85]"
_NOT_BLANK: dict[str, Any] = {"pattern": FILLED_PATTERN}
EMAIL_PATTERN = f"^{_EMAIL}$"
_AN_EMAIL: dict[str, Any] = {"pattern": EMAIL_PATTERN}


def _not_blank(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be blank")
    return value


def _email(value: str) -> str:
    if not is_email(value):
        raise ValueError("is not an e-mail address, such as jo@example.com")
    return value


Name = Annotated[
    str,
    Field(min_length=1, max_length=NAME_CHARACTERS, json_schema_extra=_NOT_BLANK),
    AfterValidator(_not_blank),
]
Message = Annotated[
    str, Field(min_length=1, json_schema_extra=_NOT_BLANK), AfterValidator(_not_blank)
]
Email = Annotated[
    str, Field(max_length=EMAIL_CHARACTERS, json_schema_extra=_AN_EMAIL), AfterValidator(_email)
]


class EventBody(BaseModel):
    """An event as a producer posts it."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "examples": [
                {
                    "component": "billing",
                    "environment": "production",
                    "message": "Invoice 1042 was paid",
                    "email": "jo@example.com",
                    "data": {"invoice": 1042, "amount": 12.50},
                }
            ]
        },
    )

    component: Name = Field(description="What the event is about: a part of a system.")
    environment: Name = Field(description="Where it happened: `production`, `staging`, a branch.")
    message: Message = Field(description="What happened, for people.")
    email: Email | None = Field(
        None, description="Who did it (a valid e-mail address of the HTML standard)."
    )
    data: Any = Field(
        None, description="Anything else, as JSON at most 64 deep; every digit is kept."
    )


class EventAnswer(BaseModel):
    """An event with the id and the time it was given."""

    id: UUID
    created_at: datetime
    component: str
    environment: str
    message: str
    email: str | None
    data: Any


class EventWithReceipt(EventAnswer):
    """An event and what became of it."""

    receipt: Literal["queued", "stored", "dead"]


class PageAnswer(BaseModel):
    """A page of history, newest first unless asked otherwise."""

    events: list[EventAnswer]
    next_cursor: str | None = Field(description="`cursor` of the next page; null: there is none.")


class ReceiptsAnswer(BaseModel):
    """Events asked for by id, in that order."""

    events: list[EventWithReceipt]
    next_cursor: None
    missing: list[UUID] = Field(description="Ids of events that were never accepted.")


class FaultAnswer(BaseModel):
    """One thing that is wrong, and where."""

    detail: str
    pointer: str | None = Field(None, description="JSON pointer into the body.")
    parameter: str | None = Field(None, description="Name of the query parameter.")
    header: str | None = Field(None, description="Name of the header.")


class ProblemAnswer(BaseModel):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FaultAnswer] | None = None


class ItemProblem(ProblemAnswer):
    """What is wrong with one item of a batch; pointers lead into the item."""

    index: int | None = Field(None, description="The item's place in the batch, from 0.")
    line: int | None = Field(None, description="Its line, from 1, where there are lines.")


class VerdictAnswer(BaseModel):
    """What became of one item of a batch."""

    id: UUID | None = None
    created_at: datetime | None = None
    receipt: Literal["queued", "stored", "dead"] | None = None
    valid: bool = Field(False, description="In a dry run: it would be accepted.")
    error: ItemProblem | None = None


class BatchAnswer(BaseModel):
    """A verdict for each item, in the order sent."""

    accepted: int
    rejected: int
    results: list[VerdictAnswer]
    dry_run: bool = False


class Dependency(BaseModel):
    """A server this service needs, and whether it answers."""

    state: Literal["up", "down"]
    detail: str | None = None


class Readiness(BaseModel):
    """Whether what was asked for can be done now."""

    status: Literal["ready", "unavailable"]
    dependencies: dict[str, Dependency]


class Liveness(BaseModel):
    """This process lives."""

    status: Literal["healthy"] = "healthy"


class ShardStatus(BaseModel):
    """One shard. In the queue `accepted = trimmed + backlog`; PostgreSQL accounts for the rest."""

    shard: int
    state: Literal["idle", "queued", "draining", "expired"]
    backlog: int = Field(description="Events that wait.")
    bytes: int = Field(description="Their size.")
    lag_seconds: float | None = Field(
        description="How long the oldest has waited. null: its id is ahead of the clock."
    )
    accepted: int
    trimmed: int = Field(description="Events that left the queue, each after its commit.")
    stored: int | None = Field(None, description="Rows that PostgreSQL inserted.")
    duplicates: int | None = Field(None, description="Events it had already.")
    dead: int | None = Field(None, description="Events it refused: dead letters.")
    foreign: int = Field(
        description="Entries that came past this service, and became rows or dead letters."
    )
    last_error: str | None = Field(
        None,
        description="Why the last drain ended early. New events go to other shards until a batch "
        "is stored.",
    )


class Conservation(BaseModel):
    """Whether every accepted event is stored, queued, a duplicate or a dead letter."""

    balanced: bool | None = Field(description="null: PostgreSQL or the queue can't be asked.")
    accepted: int
    trimmed: int
    backlog: int
    foreign: int = Field(description="Entries that came past this service and left the queue.")
    foreign_backlog: int = Field(description="Those of the backlog.")
    queue_unaccounted: int = Field(
        description="accepted - trimmed - (backlog - foreign_backlog): 0."
    )
    accounted: int | None = Field(None, description="stored + duplicates + dead in PostgreSQL.")
    untrimmed: int | None = Field(
        None, description="Committed, and about to leave the queue: accounted - trimmed - foreign."
    )
    since: datetime | None = Field(None, description="Counting began.")


class QueueStatus(BaseModel):
    """Whether the queue keeps what is acknowledged."""

    durability: Literal["checked", "weak", "unknown", "stated"] = Field(
        description="`checked`: its configuration keeps it, and a write was fsynced; `weak`: not "
        "so; `unknown`: the queue does not tell; `stated`: by ACTIVITY_QUEUE_DURABILITY=trusted, "
        "not checked."
    )
    replicas: int | None = Field(
        description="Replicas that follow it: a failover loses what they have not received. "
        "null: the queue does not tell."
    )


class StatusAnswer(BaseModel):
    """How the service is doing. What can't be asked now is null, and named in `attention`."""

    status: Literal["ok", "attention"]
    attention: list[str] = Field(description="What somebody should look at.")
    backlog: int | None = Field(description="Events that wait. null: the queue can't be asked.")
    backlog_bytes: int | None
    lag_seconds: float | None
    stored_per_second: float | None = Field(
        description="Over the last seconds. null: the queue can't be asked, or not measured yet."
    )
    queue: QueueStatus | None = Field(description="null: the queue can't be asked.")
    workers: int | None
    refused_jobs: int | None = Field(
        description="Entries of RQ's list that were no drains and were dropped, lately."
    )
    dead_letters: int | None
    conservation: Conservation | None
    shards: list[ShardStatus] | None
    version: str = Field(description="Of the service.")
    uptime_seconds: float = Field(description="Of the API process that answers.")
