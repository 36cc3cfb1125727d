"""The OpenAPI document of routes that read their request themselves."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from fastapi import Response

from api.formats import registry
from api.formats.admin_schemas import RatesAnswer
from api.formats.event_reader import Schema
from api.formats.otlp.encodings import Encoding
from api.formats.schemas import (
    BatchAnswer,
    EventAnswer,
    EventWithReceipt,
    PageAnswer,
    ProblemAnswer,
    ReceiptsAnswer,
)
from api.formats.status_schemas import Readiness
from api.query.fresh import FRESH
from api.query.id_params import ID
from api.query.language.parser import MAX_QUESTION
from api.query.params import MAX_CHARACTERS, MAX_VALUES
from storage.model.filters import DEFAULT_LIMIT, MAX_LIMIT, PARAMETERS
from storage.model.parameters import Kind, Parameter

Responses = dict[int | str, dict[str, Any]]

JSON = "application/json"
_PROBLEM = "application/problem+json"


def reference(schema: str) -> dict[str, str]:
    """Return a reference to a schema of the document."""
    return {"$ref": f"#/components/schemas/{schema}"}


def problem(description: str, **headers: dict[str, Any]) -> dict[str, Any]:
    """Return an answer with a problem document."""
    return {
        "description": description,
        "model": ProblemAnswer,
        "content": {_PROBLEM: {"schema": reference("ProblemAnswer")}},
        "headers": {"X-Request-Id": _REQUEST_ID, **headers},
    }


def header(description: str, **schema: Any) -> dict[str, Any]:
    """Return a header of an answer."""
    return {"description": description, "required": True, "schema": {"type": "string", **schema}}


_REQUEST_ID = header("The `request_id` of the problem.", pattern="^[0-9a-f]{32}$")


def parameter(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Return a parameter of a query string."""
    return {"name": name, "in": "query", "description": description, "schema": schema}


_TEXT = {"type": "string", "maxLength": MAX_CHARACTERS}
# Not `maxItems`: blank values are ignored, however many.
_MANY = {"type": "array", "items": _TEXT}
_OBJECTS = {"type": "array", "items": {**_TEXT, "contentMediaType": JSON}}

# By the kind of a declared parameter; `data.<path>` is many names, which OpenAPI can't say.
_SCHEMAS: dict[Kind, dict[str, Any]] = {
    "name": _MANY,
    "text": _MANY,
    "excluded text": _MANY,
    "data": _OBJECTS,
    "start": _TEXT,
    "end": _TEXT,
    "limit": {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
    "order": {"type": "string", "enum": ["desc", "asc"], "default": "desc"},
    "cursor": _TEXT,
    "question": {"type": "string", "maxLength": MAX_QUESTION},
    "id": {"type": "array", "items": {"type": "string"}},
    "switch": {"type": "boolean", "default": False},
}
_AT_MOST = f"At most {MAX_VALUES} values."
_DATE = "`MM-DD-YYYY`, an ISO 8601 date or instant, or seconds since 1970; UTC."
_MORE: dict[Kind, str] = {
    "name": _AT_MOST,
    "text": _AT_MOST,
    "excluded text": _AT_MOST,
    "data": "`data.<path>=value` asks for a value at a path.",
    "start": _DATE,
    "end": _DATE,
}


def query_parameters(declared: Iterable[Parameter]) -> list[dict[str, Any]]:
    """Return these parameters of a query; `data.<path>` can't be named."""
    return [
        parameter(
            each.name, f"{each.description} {_MORE.get(each.kind, '')}".strip(), _SCHEMAS[each.kind]
        )
        for each in declared
        if each.kind in _SCHEMAS
    ]


FRESH_READ = parameter(FRESH.name, FRESH.description, _SCHEMAS[FRESH.kind])


_RETRY = {"Retry-After": header("Seconds to wait before trying again.", pattern="^[0-9]+$")}
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
_LIMITED = problem(
    "The limit of the key is reached; nothing was accepted.", **_RETRY, **_LIMIT_HEADERS
)
AWAY = problem("Not possible now. `Retry-After` says when to try again.", **_RETRY)
_PAGE_HEADERS = {
    "ETag": header("Changes when the page does."),
    "X-Cache": header("How the page came about.", enum=["HIT", "MISS", "BYPASS"]),
    "Cache-Control": header("The page may be kept, but must be asked for.", const="no-cache"),
    "Vary": header("The format depends on this header.", const="accept"),
    "Link": {
        "description": "Of CSV: where the next page is, relative to this one; not on the last one.",
        "schema": {"type": "string"},
    },
}

_PACKED = "Plain, or with `Content-Encoding: gzip`."
_BINARY = "A CloudEvent in binary mode has `ce-...` headers, and data of any media type."
_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "The same key and body within 24 hours: the same response, counted once.",
    "schema": {"type": "string", "maxLength": 255, "pattern": "^[!-~]([ -~]*[!-~])?$"},
}
_ACK = parameter(
    "ack",
    "`stored`: wait a few seconds at most until PostgreSQL has committed.",
    {"type": "string", "enum": ["queued", "stored"], "default": "queued"},
)


_REPLAYED = {
    "description": "Set if an earlier request had the same key and body: this is its response.",
    "schema": {"type": "string", "const": "true"},
}


def _acked(level: str) -> dict[str, Any]:
    ack = header("The acknowledgement level that was reached.", const=level)
    return {"Activity-Ack": ack, "Idempotency-Replayed": _REPLAYED, **_LIMIT_HEADERS}


def _switch(name: str, description: str) -> dict[str, Any]:
    return parameter(name, description, {"type": "boolean", "default": False})


_LOCATION = {"Location": header("The path of the event.", pattern="^/events/[0-9a-f-]{36}$")}
_REFUSALS: Responses = {
    400: problem("The body is malformed."),
    408: problem("The body took too long to arrive."),
    409: problem("The first request with this key is still being processed."),
    413: problem("The request exceeds a size limit."),
    415: problem(
        "The media type or the content coding is not supported.",
        **{"Accept-Encoding": {"schema": {"type": "string"}}},
    ),
    429: _LIMITED,
    503: AWAY,
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
        422: problem("The body is not a valid event: `errors` lists every fault."),
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
        422: problem("Nothing was accepted. `results`, if present, says why for each item."),
    },
    "openapi_extra": {
        "parameters": [
            _switch("atomic", "Accept all items or none."),
            _switch("dry_run", "Validate each item and accept nothing."),
            _switch(
                "import",
                "Import events of the past (docs/import.md): each item also has `created_at`, an "
                "instant of RFC 3339 from 1970 to now, and may have `import_id`, or `id`, a UUIDv7 "
                "of `created_at`. Needs the scope `admin`, and takes no CloudEvents.",
            ),
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
        _PROBLEM: {"schema": reference("ProblemAnswer")},
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
        200: {"headers": _PAGE_HEADERS, "content": {"text/csv": {"schema": {"type": "string"}}}},
        304: {
            "description": "Unchanged since the `ETag` given in `If-None-Match`.",
            "headers": _PAGE_HEADERS,
        },
        422: problem("A filter can't be understood: every fault is listed."),
        503: AWAY,
    },
    "openapi_extra": {"parameters": [*query_parameters((*PARAMETERS, ID)), FRESH_READ]},
}

GET_EVENT: dict[str, Any] = {
    "tags": ["events"],
    "response_model": EventWithReceipt,
    "responses": {
        404: problem("No such event was accepted, or it is not kept any more."),
        405: problem("`batch` is no id: batches are posted.", Allow=header("The method.")),
        422: problem("`fresh` is neither `true` nor `false`, or there is another parameter."),
        503: AWAY,
    },
    "openapi_extra": {"parameters": [FRESH_READ]},
}

READY: Responses = {
    422: problem("`for` is neither `accept` nor `query`, or there is another parameter."),
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

RATES: dict[str, Any] = {
    "response_model": RatesAnswer,
    "responses": {422: problem("There are no parameters."), 503: AWAY},
}
