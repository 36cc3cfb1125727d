"""The OpenAPI document of the feed."""

from typing import Any, Literal
from uuid import UUID

from fastapi import Response
from pydantic import BaseModel, Field

from api.formats.schemas import EventAnswer
from api.query.feed import params, tokens
from api.query.feed.params import OF_CHANGES, OF_TAIL
from api.query.statistics.params import FILTERS
from api.routes.openapi import AWAY, header, parameter, problem, query_parameters
from storage.model.filters import MAX_LIMIT


class ErasedAnswer(BaseModel):
    """What an erasure did to a stored event. The reader need not have seen it."""

    id: UUID
    act: Literal["deleted", "redacted"] = Field(
        description="`redacted`: `[erased]` is written over an address in it; read it again."
    )


class ChangesAnswer(BaseModel):
    """Events in the order in which they were stored."""

    events: list[EventAnswer]
    erased: list[ErasedAnswer] = Field(
        description="Stored events that an erasure deleted or redacted since: do so with a copy."
    )
    next: str = Field(description="The token for the next request.")
    behind: int = Field(description="Stored batches that may have more; 0: there is no more now.")


_TOKEN = {"type": "string", "maxLength": tokens.MAX_LENGTH, "minLength": 1}
_SCHEMAS: dict[str, dict[str, Any]] = {
    "after": _TOKEN,
    "limit": {
        "type": "integer",
        "minimum": 1,
        "maximum": MAX_LIMIT,
        "default": params.DEFAULT_LIMIT,
    },
    "wait": {"type": "integer", "minimum": 0, "maximum": params.MAX_WAIT, "default": 0},
    "skip": {"type": "boolean", "default": False},
}
_NO_STORE = header("Each answer is given once.", const="no-store")
_LAST_EVENT_ID = {
    "name": "Last-Event-ID",
    "in": "header",
    "description": "The `id` of the last event that was read; the stream goes on behind it.",
    "schema": {"type": "string", "maxLength": tokens.MAX_LENGTH},
}
_GONE = problem(
    "The token is of the database before it was restored, or of another one: begin again."
)


def _parameters(own: dict[str, str]) -> list[dict[str, Any]]:
    return [
        *(parameter(name, text, _SCHEMAS[name]) for name, text in own.items()),
        *query_parameters(FILTERS),
    ]


GET_CHANGES: dict[str, Any] = {
    "tags": ["events"],
    "response_model": ChangesAnswer,
    "responses": {
        200: {"headers": {"Cache-Control": _NO_STORE}},
        410: _GONE,
        422: problem("A parameter can't be understood, or the token is not one of this service."),
        503: AWAY,
    },
    "openapi_extra": {"parameters": _parameters(OF_CHANGES)},
}
GET_TAIL: dict[str, Any] = {
    "tags": ["events"],
    "response_class": Response,
    "responses": {
        200: {
            "description": "Server-sent events, without an end.",
            "headers": {
                "Cache-Control": _NO_STORE,
                "X-Accel-Buffering": header("Tells nginx to hold nothing back.", const="no"),
            },
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
        410: _GONE,
        422: problem("A parameter can't be understood, or the token is not one of this service."),
        503: AWAY,
    },
    "openapi_extra": {"parameters": [*_parameters(OF_TAIL), _LAST_EVENT_ID]},
}
