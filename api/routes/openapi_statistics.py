"""The OpenAPI document of statistics."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from api.query.statistics import places
from api.query.statistics.params import FILTERS, OWN
from api.routes.openapi import AWAY, header, parameter, problem, query_parameters


class ValueAnswer(BaseModel):
    """A value, and how many events have it."""

    value: str
    count: int


class GroupsAnswer(BaseModel):
    """The values in a bar, the most frequent first. With the rest they add up to its count."""

    values: list[ValueAnswer]
    other: int = Field(description="Events with a value that is not named.")
    missing: int = Field(description="Events without a value.")


class BarAnswer(BaseModel):
    """How many events were created from `at` until the next bar begins."""

    at: datetime
    count: int
    groups: GroupsAnswer | None = Field(description="null: without `group_by`.")


class CoveredAnswer(BaseModel):
    """What was counted: from `from` until just before `to`."""

    since: datetime = Field(alias="from")
    until: datetime = Field(alias="to")


class StatsAnswer(BaseModel):
    """How many events match, in bars of time."""

    start: datetime = Field(alias="from", description="Where the window begins.")
    end: datetime = Field(alias="to", description="The window ends just before.")
    interval: str = Field(json_schema_extra={"enum": ["minute", "hour", "day", "week"]})
    total: int = Field(description="The sum of the bars.")
    complete: bool = Field(description="Nothing of the window is left to count.")
    covered: CoveredAnswer
    bars: list[BarAnswer] = Field(description="Those of which something was counted.")
    next: str | None = Field(description="Continues the count; null: nothing is left.")


_SCHEMAS: dict[str, dict[str, Any]] = {
    "interval": {
        "type": "string",
        "enum": ["minute", "hour", "day", "week", "auto"],
        "default": "auto",
    },
    "tz": {"type": "string", "default": "UTC"},
    "group_by": {"type": "string"},
    "next": {"type": "string", "maxLength": places.MAX_LENGTH},
}
_HEADERS = {
    "ETag": header("Changes when the counts do."),
    "Cache-Control": header("The answer may be kept, but must be asked for.", const="no-cache"),
}

GET_STATS: dict[str, Any] = {
    "tags": ["events"],
    "response_model": StatsAnswer,
    "responses": {
        200: {"headers": _HEADERS},
        304: {
            "description": "Unchanged since the `ETag` given in `If-None-Match`.",
            "headers": _HEADERS,
        },
        422: problem("A parameter can't be understood, or there are too many bars."),
        503: AWAY,
    },
    "openapi_extra": {
        "parameters": [
            *(parameter(name, text, _SCHEMAS[name]) for name, text in OWN.items()),
            *query_parameters(FILTERS),
        ]
    },
}
