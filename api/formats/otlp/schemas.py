"""OTLP messages in JSON, as JSON schemas for the OpenAPI document."""

from api.formats.event_reader import Schema


def _message(description: str, **fields: Schema) -> Schema:
    """Describe a protobuf message in JSON: null is unset, unknown fields are ignored."""
    return {"type": "object", "description": description, "properties": fields}


def _array_of(items: Schema) -> Schema:
    return {"type": ["array", "null"], "items": items}


# The content of a record is left open: a record that can't be read is counted, the others are kept.
REQUEST: Schema = _message(
    "`ExportLogsServiceRequest` of OTLP.",
    resourceLogs=_array_of(
        _message(
            "`ResourceLogs`.",
            resource={"description": "`Resource`."},
            scopeLogs=_array_of(
                _message(
                    "`ScopeLogs`.",
                    scope={"description": "`InstrumentationScope`."},
                    logRecords=_array_of({"description": "`LogRecord`."}),
                    schemaUrl={"description": "The schema URL of the scope and its records."},
                )
            ),
            schemaUrl={"description": "The schema URL of the resource."},
        )
    ),
)

RESPONSE: Schema = _message(
    "`ExportLogsServiceResponse` of OTLP.",
    partialSuccess=_message(
        "Set only if some records were not kept.",
        rejectedLogRecords={
            "type": "string",
            "description": "The number of records that were not kept.",
            "pattern": "^[1-9][0-9]*$",
        },
        errorMessage={"type": "string", "description": "The first reasons."},
    ),
)

STATUS: Schema = {
    **_message(
        "`google.rpc.Status`.",
        code={"type": "integer"},
        message={"type": "string", "description": "What is wrong."},
        details={"type": "array", "items": {"type": "object"}},
    ),
    "required": ["code", "message"],
}
BYTES: Schema = {"type": "string", "format": "binary"}
