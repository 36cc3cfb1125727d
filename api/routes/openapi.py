"""The OpenAPI document of routes that read their request themselves."""

from collections.abc import Callable, Mapping
from typing import Any

from fastapi import Response

from api.auth.access import ACCESS, SCHEME
from api.formats import registry
from api.formats.event_reader import Schema
from api.formats.otlp.encodings import Encoding
from api.formats.schemas import (
    BatchAnswer,
    EventAnswer,
    EventWithReceipt,
    PageAnswer,
    ProblemAnswer,
    Readiness,
    ReceiptsAnswer,
)
from api.query.id_params import ID
from api.query.params import MAX_CHARACTERS, MAX_VALUES
from storage.access.api_key import Scope
from storage.model.filters import DEFAULT_LIMIT, MAX_LIMIT, PARAMETERS
from storage.model.parameters import Kind

Responses = dict[int | str, dict[str, Any]]

_JSON = "application/json"
_PROBLEM = "application/problem+json"
_FASTAPI_ERRORS = ("HTTPValidationError", "ValidationError")


def _reference(schema: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{schema}"}


def _problem(description: str, **headers: dict[str, Any]) -> dict[str, Any]:
    return {
        "description": description,
        "model": ProblemAnswer,
        "content": {_PROBLEM: {"schema": _reference("ProblemAnswer")}},
        "headers": {"X-Request-Id": _REQUEST_ID, **headers},
    }


def _header(description: str, **schema: Any) -> dict[str, Any]:
    return {"description": description, "required": True, "schema": {"type": "string", **schema}}


_REQUEST_ID = _header("The `request_id` of the problem.", pattern="^[0-9a-f]{32}$")


def _parameter(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": description, "schema": schema}


_TEXT = {"type": "string", "maxLength": MAX_CHARACTERS}
# Not `maxItems`: blank values are ignored, however many.
_MANY = {"type": "array", "items": _TEXT}
_OBJECTS = {"type": "array", "items": {**_TEXT, "contentMediaType": _JSON}}

# By the kind of a declared parameter; `data.<path>` is many names, which OpenAPI can't say.
_SCHEMAS: dict[Kind, dict[str, Any]] = {
    "text": _MANY,
    "data": _OBJECTS,
    "start": _TEXT,
    "end": _TEXT,
    "limit": {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
    "order": {"type": "string", "enum": ["desc", "asc"], "default": "desc"},
    "cursor": _TEXT,
    "id": {"type": "array", "items": {"type": "string"}},
}
_DATE = "`MM-DD-YYYY`, an ISO 8601 date or instant, or seconds since 1970; UTC."
_MORE: dict[Kind, str] = {
    "text": f"At most {MAX_VALUES} values.",
    "data": "`data.<path>=value` asks for a value at a path.",
    "start": _DATE,
    "end": _DATE,
}
_QUERY = [
    _parameter(
        each.name, f"{each.description} {_MORE.get(each.kind, '')}".strip(), _SCHEMAS[each.kind]
    )
    for each in (*PARAMETERS, ID)
    if each.kind in _SCHEMAS
]

_RETRY = {"Retry-After": _header("Seconds to wait before trying again.", pattern="^[0-9]+$")}
_LIMIT_HEADERS = {
    "RateLimit-Policy": {
        "description": "The limits of the key in events; only if it has any.",
        "schema": {"type": "string"},
    },
    "RateLimit": {
        "description": "How many events are left of them, and when there are more, if known.",
        "schema": {"type": "string"},
    },
}
_LIMITED = _problem(
    "The limit of the key is reached; nothing was accepted.", **_RETRY, **_LIMIT_HEADERS
)
_AWAY = _problem("Not possible now. `Retry-After` says when to try again.", **_RETRY)
_PAGE_HEADERS = {
    "ETag": _header("Changes when the page does."),
    "X-Cache": _header("How the page came about.", enum=["HIT", "MISS", "BYPASS"]),
    "Cache-Control": _header("The page may be kept, but must be asked for.", const="no-cache"),
}

_PACKED = "Plain, or with `Content-Encoding: gzip`."
_BINARY = "A CloudEvent in binary mode has `ce-...` headers, and data of any media type."
_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "The same key and body within 24 hours: the same response, counted once.",
    "schema": {"type": "string", "maxLength": 255, "pattern": "^[!-~]([ -~]*[!-~])?$"},
}
_ACK = _parameter(
    "ack",
    "`stored`: wait a few seconds at most until PostgreSQL has committed.",
    {"type": "string", "enum": ["queued", "stored"], "default": "queued"},
)


_REPLAYED = {
    "description": "Set if an earlier request had the same key and body: this is its response.",
    "schema": {"type": "string", "const": "true"},
}


def _acked(level: str) -> dict[str, Any]:
    ack = _header("The acknowledgement level that was reached.", const=level)
    return {"Activity-Ack": ack, "Idempotency-Replayed": _REPLAYED, **_LIMIT_HEADERS}


def _switch(name: str, description: str) -> dict[str, Any]:
    return _parameter(name, description, {"type": "boolean", "default": False})


_LOCATION = {"Location": _header("The path of the event.", pattern="^/events/[0-9a-f-]{36}$")}
_REFUSALS: Responses = {
    400: _problem("The body is malformed."),
    408: _problem("The body took too long to arrive."),
    409: _problem("The first request with this key is still being processed."),
    413: _problem("The request exceeds a size limit."),
    415: _problem(
        "The media type or the content coding is not supported.",
        **{"Accept-Encoding": {"schema": {"type": "string"}}},
    ),
    429: _LIMITED,
    503: _AWAY,
}


def _content(
    formats: Mapping[str, registry.EventFormat] | Mapping[str, registry.BatchFormat],
) -> dict[str, Any]:
    return {kind: {"schema": found.schema} for kind, found in formats.items()}


POST_EVENT: dict[str, Any] = {
    "status_code": 202,
    "summary": "Post an event",
    "response_model": EventAnswer | EventWithReceipt,
    "response_description": "The event is on disk and will be stored exactly once.",
    "responses": {
        201: {
            "description": "The event is stored.",
            "model": EventWithReceipt,
            "headers": _LOCATION | _acked("stored"),
        },
        202: {"headers": _LOCATION | _acked("queued")},
        **_REFUSALS,
        422: _problem("The body is not a valid event: `errors` lists every fault."),
    },
    "openapi_extra": {
        "parameters": [_ACK, _KEY],
        "requestBody": {
            "description": f"{_PACKED} {_BINARY}",
            "required": True,
            "content": _content(registry.EVENTS),
        },
    },
}

POST_BATCH: dict[str, Any] = {
    "status_code": 202,
    "summary": "Post a batch of events",
    "response_model": BatchAnswer,
    "response_description": "The valid items are on disk and will be stored exactly once.",
    "responses": {
        200: {
            "description": "A dry run: nothing was accepted.",
            "model": BatchAnswer,
        },
        201: {
            "description": "The valid items are stored.",
            "model": BatchAnswer,
            "headers": _acked("stored"),
        },
        202: {"headers": _acked("queued")},
        **_REFUSALS,
        422: _problem("Nothing was accepted. `results`, if present, says why for each item."),
    },
    "openapi_extra": {
        "parameters": [
            _switch("atomic", "Accept all items or none."),
            _switch("dry_run", "Validate each item and accept nothing."),
            _ACK,
            _KEY,
        ],
        "requestBody": {
            "description": _PACKED,
            "required": True,
            "content": _content(registry.BATCHES),
        },
    },
}


def _log_content(schema_of: Callable[[Encoding], Schema]) -> dict[str, Any]:
    """Return one of the schemas of every encoding of logs."""
    return {kind: {"schema": schema_of(found)} for kind, found in registry.LOGS.items()}


def _status(description: str, **more: Any) -> dict[str, Any]:
    """Describe an error of OTLP; a problem document comes if no route was reached."""
    content = {
        **_log_content(lambda encoding: encoding.error_schema),
        _PROBLEM: {"schema": _reference("ProblemAnswer")},
    }
    return {"description": description, "content": content, **more}


POST_LOGS: dict[str, Any] = {
    "summary": "Post OpenTelemetry logs",
    "response_model": None,
    "responses": {
        200: {
            "description": "The records are on disk, except those counted in `partialSuccess`.",
            "content": _log_content(lambda encoding: encoding.response_schema),
            "headers": _LIMIT_HEADERS,
        },
        400: _status("The request can't be decoded."),
        408: _status("The body took too long to arrive."),
        413: _status("The request exceeds a size limit."),
        415: _REFUSALS[415],
        429: _status("The limit of the key is reached.", headers={**_RETRY, **_LIMIT_HEADERS}),
        503: _status("Not possible now.", headers=_RETRY),
    },
    "openapi_extra": {
        "requestBody": {
            "description": f"OTLP/HTTP. {_PACKED}",
            "required": True,
            "content": _log_content(lambda encoding: encoding.request_schema),
        },
    },
}

GET_EVENTS: dict[str, Any] = {
    "tags": ["events"],
    "response_model": PageAnswer | ReceiptsAnswer,
    "responses": {
        200: {"headers": _PAGE_HEADERS},
        304: {
            "description": "Unchanged since the `ETag` given in `If-None-Match`.",
            "headers": _PAGE_HEADERS,
        },
        422: _problem("A filter can't be understood: every fault is listed."),
        503: _AWAY,
    },
    "openapi_extra": {"parameters": _QUERY},
}

GET_EVENT: dict[str, Any] = {
    "tags": ["events"],
    "response_model": EventWithReceipt,
    "responses": {
        404: _problem("No such event was accepted."),
        405: _problem("`batch` is no id: batches are posted.", Allow=_header("The method.")),
        503: _AWAY,
    },
}

READY: Responses = {
    422: _problem("`for` is neither `accept` nor `query`."),
    503: {"description": "Not possible now.", "model": Readiness, "headers": _RETRY},
}


METRICS: dict[str, Any] = {
    "response_class": Response,
    "responses": {
        200: {
            "description": "The metrics of docs/metrics.md.",
            "content": {
                "text/plain": {"schema": {"type": "string"}},
                "application/openmetrics-text": {"schema": {"type": "string"}},
            },
        }
    },
}


# The errors of the HTTP protocol, before any route is reached.
_BEFORE_ANY_ROUTE = {
    "400": "The request is not valid HTTP/1.1.",
    "408": "The request took too long to arrive.",
    "431": "The request target and the headers together exceed 64 KiB.",
}


_SECURITY_SCHEMES = {
    SCHEME: {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key, made with `activity keys create`.",
    }
}
_WITHOUT_KEY: dict[str, list[str]] = {}  # a way to be let in, too, while no key is needed
_CHALLENGE = {"WWW-Authenticate": _header("How to send a key.")}


def corrected(document: dict[str, Any]) -> dict[str, Any]:
    """Correct the document in place: each error is a problem document, each scope is named.

    Removes FastAPI's own error schemas, and adds the errors that come before any route.
    """
    document["components"]["securitySchemes"] = _SECURITY_SCHEMES
    for name, path in document["paths"].items():
        for method, operation in path.items():
            _add_security(operation, ACCESS[method.upper(), name])
            for status, description in _BEFORE_ANY_ROUTE.items():
                answer = _problem(description)
                del answer["model"]
                operation["responses"].setdefault(status, answer)
            for status, answer in list(operation["responses"].items()):
                content = answer.get("content", {})
                if content.get(_JSON) == {"schema": _reference("ProblemAnswer")}:
                    del content[_JSON]
                elif content.get(_JSON) == {"schema": _reference(_FASTAPI_ERRORS[0])}:
                    del operation["responses"][status]
    for name in _FASTAPI_ERRORS:
        document["components"]["schemas"].pop(name, None)
    return document


def with_required_keys(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document of a service that lets nobody in without a key."""
    paths = {
        name: {method: _required(operation) for method, operation in path.items()}
        for name, path in document["paths"].items()
    }
    return {**document, "paths": paths}


def _required(operation: dict[str, Any]) -> dict[str, Any]:
    ways = [way for way in operation["security"] if way != _WITHOUT_KEY]
    return {**operation, "security": ways}


def _add_security(operation: dict[str, Any], scope: Scope | None) -> None:
    operation["security"] = [] if scope is None else [{SCHEME: [scope.value]}, _WITHOUT_KEY]
    if scope is not None:
        responses = operation["responses"]
        responses["401"] = _problem("A valid API key is needed.", **_CHALLENGE)
        responses["403"] = _problem(f"The key lacks the scope `{scope}`{_or_outside(scope)}.")
        responses.setdefault("503", _AWAY)
        for status in ("401", "403", "503"):
            responses[status] = {**responses[status]}
            responses[status].pop("model", None)


def _or_outside(scope: Scope) -> str:
    return ", or may not post this component or environment" if scope is Scope.WRITE else ""
