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
