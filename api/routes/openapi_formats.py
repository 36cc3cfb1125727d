"""Standard formats in the OpenAPI document."""

from typing import Any

from api.formats.schemas import EMAIL_CHARACTERS, EMAIL_PATTERN, FILLED_PATTERN, NAME_CHARACTERS

Schema = dict[str, Any]


def _text(description: str, **more: Any) -> Schema:
    return {"type": "string", "description": description, **more}


def _unset(schema: Schema) -> Schema:
    """Null is an attribute that is not set."""
    return {**schema, "type": [schema["type"], "null"]}


_INTEGER = {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1}


def _spelt(description: str, **more: Any) -> Schema:
    """An attribute of any type, which is kept as the text that it is spelt as."""
    kinds = [{"type": ["string", "null"], **more}, {"type": "boolean"}, _INTEGER]
    return {"description": description, "anyOf": kinds}


_TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105
_BASE64 = "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"
_AN_EMAIL_OR_BLANK = rf"{EMAIL_PATTERN}|^\s*$"
_FILLED = {"pattern": FILLED_PATTERN, "maxLength": NAME_CHARACTERS}
_SHORT = {"maxLength": NAME_CHARACTERS}

CLOUD_EVENT: Schema = {
    "title": "CloudEvent",
    "description": "A CloudEvent 1.0 in the JSON format. All of it becomes `data`.",
    "type": "object",
    "required": ["specversion", "id", "source", "type"],
    "properties": {
        "specversion": {"const": "1.0"},
        "id": _text("With `source`, its name.", minLength=1),
        "source": _text("Becomes `environment`, unless that is given.", **_FILLED),
        "type": _text("Becomes `component` and `message`, unless they are given.", **_FILLED),
        "subject": _unset(_text("Becomes `message`, unless that is given.", minLength=1)),
        "time": _unset(_text("RFC 3339.", format="date-time")),
        "datacontenttype": _unset(
            _text("A media type.", pattern=rf"^{_TOKEN}/{_TOKEN}( *; *({_TOKEN}={_TOKEN})?)* *$")
        ),
        "dataschema": _unset(_text("A URI.", minLength=1)),
        "component": _spelt("An extension of ours.", **_SHORT),
        "environment": _spelt("An extension of ours.", **_SHORT),
        "message": _spelt("An extension of ours."),
        "email": _unset(
            _text("An extension of ours.", pattern=_AN_EMAIL_OR_BLANK, maxLength=EMAIL_CHARACTERS)
        ),
        "data": {"description": "Any JSON, at most 63 deep."},
        "data_base64": _unset(_text("Instead of `data`.", pattern=_BASE64)),
    },
    "not": {"required": ["data", "data_base64"]},
    "propertyNames": {"pattern": "^([a-z0-9]+|data_base64)$"},
    "additionalProperties": {
        "anyOf": [
            {"type": ["string", "boolean", "null"]},
            _INTEGER,
        ]
    },
}

CLOUD_EVENTS: Schema = {"type": "array", "items": CLOUD_EVENT, "minItems": 1}


def _message(description: str, **fields: Schema) -> Schema:
    """A protobuf message in JSON: null is unset, and fields that are not known are ignored."""
    return {"type": "object", "description": description, "properties": fields}


def _many(items: Schema) -> Schema:
    return {"type": ["array", "null"], "items": items}


# What a record holds is left open: one that can't be read is counted, and the others are kept.
LOGS_REQUEST: Schema = _message(
    "`ExportLogsServiceRequest` of OTLP.",
    resourceLogs=_many(
        _message(
            "`ResourceLogs`.",
            resource={"description": "`Resource`."},
            scopeLogs=_many(
                _message(
                    "`ScopeLogs`.",
                    scope={"description": "`InstrumentationScope`."},
                    logRecords=_many({"description": "`LogRecord`."}),
                    schemaUrl={"description": "Of the scope and the records, a text."},
                )
            ),
            schemaUrl={"description": "Of the resource, a text."},
        )
    ),
)

LOGS_RESPONSE: Schema = _message(
    "`ExportLogsServiceResponse` of OTLP.",
    partialSuccess=_message(
        "Only when some records were not kept.",
        rejectedLogRecords=_text("How many.", pattern="^[1-9][0-9]*$"),
        errorMessage=_text("The first reasons."),
    ),
)

STATUS: Schema = {
    **_message(
        "`google.rpc.Status`.",
        code={"type": "integer"},
        message=_text("What is wrong."),
        details={"type": "array", "items": {"type": "object"}},
    ),
    "required": ["code", "message"],
}
BYTES: Schema = {"type": "string", "format": "binary"}
