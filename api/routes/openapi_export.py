"""The OpenAPI document of `GET /events/export`."""

from typing import Any

from fastapi import Response

from api.query.export.answer import NDJSON
from api.query.export.columns import MAX_COLUMN
from api.query.export.csv_rows import COLUMNS
from api.query.export.csv_rows import MEDIA_TYPE as CSV
from api.query.export.params import OWN
from api.query.statistics.params import FILTERS
from api.routes.openapi import AWAY, FRESH_READ, header, parameter, problem, query_parameters

_SCHEMAS: dict[str, dict[str, Any]] = {
    "format": {"type": "string", "enum": ["ndjson", "csv"], "default": "ndjson"},
    "columns": {"type": "string", "default": ",".join(COLUMNS), "maxLength": 16 * MAX_COLUMN},
    "cursor": {"type": "string", "format": "uuid"},
    "now": {"type": "string"},
}

GET_EXPORT: dict[str, Any] = {
    "tags": ["events"],
    "response_class": Response,
    "responses": {
        200: {
            "description": "The events, each in a line; without a last chunk if it broke off.",
            "content": {
                NDJSON: {"schema": {"type": "string"}},
                CSV: {"schema": {"type": "string"}},
            },
            "headers": {
                "Content-Disposition": header("A name for the file."),
                "Activity-Now": header("The minute that relative dates are before."),
                "Vary": header("The format and the coding depend on these headers."),
                "Cache-Control": header("The answer is not to be kept.", const="no-store"),
            },
        },
        422: problem("A parameter can't be understood: every fault is listed."),
        503: AWAY,
        505: problem("HTTP/1.0 through a Unix socket."),
    },
    "openapi_extra": {
        "parameters": [
            *query_parameters(FILTERS),
            *(parameter(name, text, _SCHEMAS[name]) for name, text in OWN.items()),
            FRESH_READ,
        ]
    },
}
