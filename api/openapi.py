"""What the OpenAPI document says of routes that read their request themselves."""

from typing import Any

from api.schemas import (
    EventAnswer,
    EventBody,
    EventWithReceipt,
    PageAnswer,
    ProblemAnswer,
    Readiness,
)
from storage.filters import DEFAULT_LIMIT, MAX_LIMIT

Responses = dict[int | str, dict[str, Any]]

_JSON = "application/json"
_PROBLEM = "application/problem+json"
_FASTAPIS_OWN = ("HTTPValidationError", "ValidationError")


def _reference(schema: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{schema}"}


def _problem(description: str) -> dict[str, Any]:
    return {
        "description": description,
        "model": ProblemAnswer,
        "content": {_PROBLEM: {"schema": _reference("ProblemAnswer")}},
    }


def _parameter(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": description, "schema": schema}


_MANY = {"type": "array", "items": {"type": "string"}}
_DATE = "`MM-DD-YYYY`, an ISO 8601 date or instant, or seconds since 1970; UTC."

_FILTERS = [
    _parameter("component", "Equal to it; repeated: to any of them.", _MANY),
    _parameter("environment", "Equal to it; repeated: to any of them.", _MANY),
    _parameter("email", "Equal to it in any case; repeated: to any of them.", _MANY),
    _parameter("message", "Contains it, in any case; repeated: any of them.", _MANY),
    _parameter("data", "A JSON object that `data` contains; `data.<path>=value` too.", _MANY),
    _parameter("from_date", f"Not before it. {_DATE}", {"type": "string"}),
    _parameter("to_date", f"Before it; a day includes that day. {_DATE}", {"type": "string"}),
    _parameter(
        "limit",
        "Events on a page.",
        {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
    ),
    _parameter("cursor", "`next_cursor` of the page before.", {"type": "string"}),
    _parameter("order", "By time.", {"type": "string", "enum": ["desc", "asc"], "default": "desc"}),
]

_AWAY = _problem("Not possible now; `Retry-After` says when to try again.")

POST_EVENT: dict[str, Any] = {
    "status_code": 202,
    "tags": ["events"],
    "response_model": EventAnswer,
    "responses": {
        400: _problem("Not JSON."),
        408: _problem("The body took too long to arrive."),
        409: _problem("The first request with this key is still under way."),
        413: _problem("Larger than one event may be."),
        415: _problem("Not `application/json`."),
        422: _problem("Not an event: every fault is listed."),
        503: _AWAY,
    },
    "openapi_extra": {
        "parameters": [
            {
                "name": "Idempotency-Key",
                "in": "header",
                "description": "The same key and body within 24 hours: the same event.",
                "schema": {"type": "string", "minLength": 1, "maxLength": 255},
            }
        ],
        "requestBody": {
            "required": True,
            "content": {_JSON: {"schema": EventBody.model_json_schema()}},
        },
    },
}

GET_EVENTS: dict[str, Any] = {
    "tags": ["events"],
    "response_model": PageAnswer,
    "responses": {
        304: {"description": "Unchanged since the `ETag` given in `If-None-Match`."},
        422: _problem("A filter can't be understood: every fault is listed."),
        503: _AWAY,
    },
    "openapi_extra": {"parameters": _FILTERS},
}

GET_EVENT: dict[str, Any] = {
    "tags": ["events"],
    "response_model": EventWithReceipt,
    "responses": {404: _problem("No such event was accepted."), 503: _AWAY},
}

READY: Responses = {
    422: _problem("`for` is neither `accept` nor `query`."),
    503: {"description": "Not possible now.", "model": Readiness},
}


def corrected(document: dict[str, Any]) -> dict[str, Any]:
    """The document without what FastAPI adds of itself: errors that are not problem documents."""
    for path in document["paths"].values():
        for operation in path.values():
            for status, answer in list(operation["responses"].items()):
                content = answer.get("content", {})
                if _PROBLEM in content:
                    content.pop(_JSON, None)
                elif content.get(_JSON) == {"schema": _reference(_FASTAPIS_OWN[0])}:
                    del operation["responses"][status]
    for name in _FASTAPIS_OWN:
        document["components"]["schemas"].pop(name, None)
    return document
