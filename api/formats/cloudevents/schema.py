"""A CloudEvent in the JSON format, as a JSON schema for the OpenAPI document."""

from api.formats.event_reader import Schema
from api.formats.schemas import EMAIL_CHARACTERS, EMAIL_PATTERN, FILLED_PATTERN, NAME_CHARACTERS


def _text(description: str, **more: object) -> Schema:
    return {"type": "string", "description": description, **more}


def _optional(schema: Schema) -> Schema:
    """Allow null, which means that the attribute is not set."""
    return {**schema, "type": [schema["type"], "null"]}


_INTEGER = {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1}


def _any_type(description: str, **more: object) -> Schema:
    """Allow every type of an attribute: its canonical string encoding becomes the field."""
    kinds = [{"type": ["string", "null"], **more}, {"type": "boolean"}, _INTEGER]
    return {"description": description, "anyOf": kinds}


_TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105
_BASE64 = "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"
_AN_EMAIL_OR_BLANK = rf"{EMAIL_PATTERN}|^\s*$"
_FILLED = {"pattern": FILLED_PATTERN, "maxLength": NAME_CHARACTERS}
_SHORT = {"maxLength": NAME_CHARACTERS}

EVENT: Schema = {
    "title": "CloudEvent",
    "description": "A CloudEvent 1.0 in the JSON format. The whole CloudEvent becomes `data`.",
    "type": "object",
    "required": ["specversion", "id", "source", "type"],
    "properties": {
        "specversion": {"const": "1.0"},
        "id": _text("Identifies the event, together with `source`.", minLength=1),
        "source": _text("Becomes `environment`, unless that is given.", **_FILLED),
        "type": _text("Becomes `component` and `message`, unless they are given.", **_FILLED),
        "subject": _optional(_text("Becomes `message`, unless that is given.", minLength=1)),
        "time": _optional(_text("RFC 3339.", format="date-time")),
        "datacontenttype": _optional(
            _text("A media type.", pattern=rf"^{_TOKEN}/{_TOKEN}( *; *({_TOKEN}={_TOKEN})?)* *$")
        ),
        "dataschema": _optional(_text("A URI.", minLength=1)),
        "component": _any_type("An extension of this service.", **_SHORT),
        "environment": _any_type("An extension of this service.", **_SHORT),
        "message": _any_type("An extension of this service."),
        "email": _optional(
            _text(
                "An extension of this service.",
                pattern=_AN_EMAIL_OR_BLANK,
                maxLength=EMAIL_CHARACTERS,
            )
        ),
        "data": {"description": "Any JSON, nested at most 63 levels deep."},
        "data_base64": _optional(_text("Instead of `data`.", pattern=_BASE64)),
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

BATCH: Schema = {"type": "array", "items": EVENT, "minItems": 1}
