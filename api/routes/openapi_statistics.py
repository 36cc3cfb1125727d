"""The OpenAPI document of statistics."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from api.query.statistics import facet_params, params, places
from api.query.statistics.params import FILTERS
from api.routes.openapi import AWAY, FRESH_READ, header, parameter, problem, query_parameters
from storage.statistics.facet_question import DEFAULT_VALUES


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
    interval: str = Field(json_schema_extra={"enum": ["minute", "hour", "day", "week", "month"]})
    total: int = Field(description="The sum of the bars.")
    complete: bool = Field(description="Nothing of the window is left to count.")
    covered: CoveredAnswer
    bars: list[BarAnswer] = Field(description="Those of which something was counted.")
    next: str | None = Field(description="Continues the count; null: nothing is left.")


class FacetAnswer(BaseModel):
    """The values of a field, the most frequent first. With the rest they add up to all events."""

    values: list[ValueAnswer]
    other: int = Field(description="Events with a value that is not named.")
    missing: int = Field(description="Events without a value.")
    distinct: int | None = Field(
        description="How many different values there are. null: a part is not counted."
    )


class KeysAnswer(BaseModel):
    """The keys that `data` has in the newest events, as names of fields."""

    values: list[ValueAnswer]
    missing: int = Field(description="Events without any key.")
    distinct: int = Field(description="How many different names there are.")
    newest: int = Field(description="How many of the newest events were looked at.")


class FacetsAnswer(BaseModel):
    """How many events have each value of each field."""

    start: datetime = Field(alias="from", description="Where the window begins.")
    end: datetime = Field(alias="to", description="The window ends just before.")
    total: int | None = Field(
        description="How many events were counted. null: only the keys of `data` are asked for."
    )
    complete: bool = Field(description="Nothing of the window is left to count.")
    covered: CoveredAnswer
    fields: dict[str, FacetAnswer | KeysAnswer | None] = Field(
        description="By the name of the field. null: the keys of `data` could not be read in time."
    )


_SCHEMAS: dict[str, dict[str, Any]] = {
    "interval": {
        "type": "string",
        "enum": ["minute", "hour", "day", "week", "month", "auto"],
        "default": "auto",
    },
    "tz": {"type": "string", "default": "UTC"},
    "group_by": {"type": "string"},
    "next": {"type": "string", "maxLength": places.MAX_LENGTH},
    "field": {
        "type": "array",
        "items": {"type": "string", "pattern": r"^(component|environment|email|data(\..+)?)$"},
        "minItems": 1,
        "maxItems": facet_params.MAX_FIELDS,
    },
    "values": {
        "type": "integer",
        "minimum": 1,
        "maximum": facet_params.MAX_VALUES,
        "default": DEFAULT_VALUES,
    },
}
_HEADERS = {
    "ETag": header("Changes when the counts do."),
    "Cache-Control": header("The answer may be kept, but must be asked for.", const="no-cache"),
}


def _operation(answer: type[BaseModel], refusal: str, own: Mapping[str, str]) -> dict[str, Any]:
    return {
        "tags": ["events"],
        "response_model": answer,
        "responses": {
            200: {"headers": _HEADERS},
            304: {
                "description": "Unchanged since the `ETag` given in `If-None-Match`.",
                "headers": _HEADERS,
            },
            422: problem(refusal),
            503: AWAY,
        },
        "openapi_extra": {
            "parameters": [
                *(parameter(name, text, _SCHEMAS[name]) for name, text in own.items()),
                *query_parameters(FILTERS),
                FRESH_READ,
            ]
        },
    }


GET_STATS = _operation(
    StatsAnswer, "A parameter can't be understood, or there are too many bars.", params.OWN
)
GET_FACETS = _operation(
    FacetsAnswer, "A parameter can't be understood, or no field is given.", facet_params.OWN
)
