"""The bodies of requests and responses: for the OpenAPI document and for validation."""

import re
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from api.formats.occurred_at import canonical_instant

NAME_CHARACTERS = 255
EMAIL_CHARACTERS = 254  # RFC 5321, 4.5.3.1.3, less the angle brackets

# "Valid e-mail address" of the WHATWG HTML standard: what browsers accept.
_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_EMAIL = rf"[a-zA-Z0-9.!#$%&'*+/=?^_`{{|}}~-]+@{_LABEL}(?:\.{_LABEL})*"
is_email = re.compile(_EMAIL).fullmatch

# Only for the document: an error message says more than a pattern. Python strips these separators
# too, which are not white space in the patterns of other languages.
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


_AN_INSTANT: dict[str, Any] = {"format": "date-time"}
Instant = Annotated[str, Field(json_schema_extra=_AN_INSTANT), AfterValidator(canonical_instant)]


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

    component: Name = Field(description="The part of a system that the event is about.")
    environment: Name = Field(description="Where it happened: `production`, `staging`, a branch.")
    message: Message = Field(description="What happened, written for people.")
    email: Email | None = Field(
        None, description="Who caused it: a valid e-mail address of the HTML standard."
    )
    data: Any = Field(
        None, description="Any JSON, nested at most 64 levels deep; every digit is kept."
    )
    occurred_at: Instant | None = Field(
        None,
        description="When it happened, by the producer's clock: an instant of RFC 3339 with an "
        "offset. It is kept in UTC, cut off after microseconds.",
    )


class ImportBody(EventBody):
    """An event of the past as an import has it; `created_at` or `id` is required."""

    created_at: Instant | None = Field(
        None,
        description="When the event was created: an instant of RFC 3339 with an offset, from 1970 "
        "to now. It is kept in UTC, cut off after milliseconds.",
    )
    id: str | None = Field(
        None, description="An id of this service: a UUIDv7 of `created_at`.", max_length=36
    )
    import_id: str | None = Field(
        None,
        description="What another system calls the event. Not kept: the event's id is made of it.",
        min_length=1,
        max_length=NAME_CHARACTERS,
    )


class EventAnswer(BaseModel):
    """An event with its id and time of acceptance."""

    id: UUID
    created_at: datetime
    component: str
    environment: str
    message: str
    email: str | None
    data: Any
    occurred_at: datetime | None = Field(
        None, description="When it happened, in UTC; only where it was given."
    )


class EventWithReceipt(EventAnswer):
    """An event with its receipt: queued, stored or dead."""

    receipt: Literal["queued", "stored", "dead"]


class PageAnswer(BaseModel):
    """A page of history, newest first by default."""

    events: list[EventAnswer]
    next_cursor: str | None = Field(
        description="The `cursor` of the next page; null: there are no more pages."
    )


class ReceiptsAnswer(BaseModel):
    """The requested events, in the order of their ids in the request."""

    events: list[EventWithReceipt]
    next_cursor: None
    missing: list[UUID] = Field(description="Requested ids of no accepted event.")


class AroundAnswer(BaseModel):
    """An event, and the stored events before and after it, in the order of time."""

    before: list[EventAnswer] = Field(description="The last of them is the nearest.")
    event: EventWithReceipt
    after: list[EventAnswer] = Field(description="The first of them is the nearest.")


class FaultAnswer(BaseModel):
    """One fault of a request, and its place."""

    detail: str
    pointer: str | None = Field(None, description="A JSON pointer into the body.")
    parameter: str | None = Field(None, description="The name of the query parameter.")
    header: str | None = Field(None, description="The name of the header.")
    character: int | None = Field(
        None, description="The character of the parameter's value, counted from 1."
    )
    excerpt: str | None = Field(
        None, description="The line with the character, and a line with a caret under it."
    )


class ProblemAnswer(BaseModel):
    """A problem document (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str | None = Field(
        None,
        description="The id of the request, also in `X-Request-Id` and in the service's log: the "
        "trace id of its `traceparent`, or else made. The problem of one item has none.",
        pattern="^[0-9a-f]{32}$",
    )
    errors: list[FaultAnswer] | None = None


class ItemProblem(ProblemAnswer):
    """The problem of one item of a batch; JSON pointers are relative to the item."""

    index: int | None = Field(None, description="The index of the item in the batch, from 0.")
    line: int | None = Field(None, description="The line of the item in NDJSON, from 1.")


class VerdictAnswer(BaseModel):
    """The result of one item of a batch."""

    id: UUID | None = None
    created_at: datetime | None = None
    receipt: Literal["queued", "stored", "dead"] | None = None
    valid: bool = Field(False, description="In a dry run: the item would be accepted.")
    duplicate: bool = Field(
        False, description="In an import: this event was accepted before, with the same content."
    )
    error: ItemProblem | None = None


class BatchAnswer(BaseModel):
    """The result of each item, in the order sent."""

    accepted: int
    rejected: int
    results: list[VerdictAnswer]
    dry_run: bool = False
    duplicates: int | None = Field(
        None, description="In an import: how many of the accepted items were accepted before."
    )


class Dependency(BaseModel):
    """A server that this service needs, and whether it answers."""

    state: Literal["up", "down"]
    detail: str | None = None


class Readiness(BaseModel):
    """Whether the requested purpose can be served now."""

    status: Literal["ready", "unavailable"]
    dependencies: dict[str, Dependency] | None = Field(
        None, description="The servers; only for who may observe the service."
    )


class Liveness(BaseModel):
    """This process is alive."""

    status: Literal["healthy"] = "healthy"


class ShardStatus(BaseModel):
    """One shard. In the queue `accepted = trimmed + backlog`; PostgreSQL accounts for the rest."""

    shard: int
    state: Literal["idle", "queued", "draining", "expired"]
    backlog: int = Field(description="Queued events that are not stored yet.")
    bytes: int = Field(description="The size of the backlog.")
    lag_seconds: float | None = Field(
        description="The age of the oldest queued event. null: its id is ahead of the clock."
    )
    accepted: int
    trimmed: int = Field(description="Events that left the queue, each after its commit.")
    stored: int | None = Field(None, description="Rows that PostgreSQL inserted.")
    duplicates: int | None = Field(None, description="Events that PostgreSQL already had.")
    dead: int | None = Field(None, description="Events that PostgreSQL refused: dead letters.")
    erased: int | None = Field(
        None, description="Events that drains dropped because their person was erased."
    )
    foreign: int = Field(
        description="Entries that this service did not append: rows or dead letters now."
    )
    last_error: str | None = Field(
        None,
        description="Why the last drain ended early. New events go to other shards until a batch "
        "is stored.",
    )


class Conservation(BaseModel):
    """Whether every accepted event is stored, queued, a duplicate, a dead letter or erased."""

    balanced: bool | None = Field(description="null: PostgreSQL or the queue does not answer.")
    accepted: int
    witnessed: int | None = Field(
        None,
        description="accepted + lost: what API processes know the queue to have accepted.",
    )
    lost: int | None = Field(
        None,
        description="Accepted events that the queue counted once and does not know any more, as "
        "after a failover, except those that it had trimmed; null: unknown.",
    )
    trimmed: int
    backlog: int
    foreign: int = Field(
        description="Entries that were not appended by this service and have left the queue."
    )
    foreign_backlog: int = Field(description="Foreign entries in the backlog.")
    queue_unaccounted: int = Field(
        description="accepted - trimmed - (backlog - foreign_backlog): should be 0."
    )
    accounted: int | None = Field(
        None, description="stored + duplicates + dead + erased in PostgreSQL."
    )
    untrimmed: int | None = Field(
        None, description="Committed, but still in the queue: accounted - trimmed - foreign."
    )
    since: datetime | None = Field(None, description="When counting began.")


class QueueStatus(BaseModel):
    """Whether the queue keeps acknowledged events."""

    durability: Literal["checked", "weak", "unknown", "stated"] = Field(
        description="`checked`: its configuration keeps events, and a write was fsynced; `weak`: "
        "it may lose events; `unknown`: the queue does not tell; `stated`: not checked, because of "
        "ACTIVITY_QUEUE_DURABILITY=trusted."
    )
    replicas: int | None = Field(
        description="Replicas of the queue: without `replicas_awaited` a failover loses what they "
        "have not received. null: the queue does not tell."
    )
    replicas_awaited: int = Field(
        description="Replicas that must have events on their disk before these are acknowledged "
        "(ACTIVITY_QUEUE_REPLICAS)."
    )


class StatusAnswer(BaseModel):
    """The state of the service. Unknown values are null, and `attention` says why."""

    status: Literal["ok", "attention"]
    attention: list[str] = Field(description="Problems that an operator should look at.")
    backlog: int | None = Field(
        description="Queued events that are not stored yet. null: the queue does not answer."
    )
    backlog_bytes: int | None
    lag_seconds: float | None
    stored_per_second: float | None = Field(
        description="Over the last seconds. null: the queue does not answer, or not measured yet."
    )
    queue: QueueStatus | None = Field(description="null: the queue does not answer.")
    queue_memory_ratio: float | None = Field(
        description="The share of the queue's memory limit that is in use. null: it has no limit, "
        "or does not tell."
    )
    workers: int | None
    workers_wanted: int | None = Field(
        description="How many worker processes store what is accepted, and the backlog within "
        "30 s. null: queue or control does not answer, or a rate is not measured yet."
    )
    refused_jobs: int | None = Field(
        description="Entries of RQ's list that were not drains and were dropped recently."
    )
    dead_letters: int | None
    conservation: Conservation | None
    shards: list[ShardStatus] | None
    version: str = Field(description="The version of the service.")
    uptime_seconds: float = Field(description="The uptime of the API process that answers.")
