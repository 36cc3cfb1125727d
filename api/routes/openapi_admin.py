"""The OpenAPI document of the routes of administrators."""

from typing import Any

from pydantic import BaseModel

from api.admin.bodies import JSON, EraseBody, NewKeyBody, RevokeBody, RotateBody, Selection
from api.formats.admin_schemas import (
    ActsAnswer,
    DeadLettersAnswer,
    DiscardAnswer,
    ErasureAnswer,
    ErasuresAnswer,
    KeysAnswer,
    NewKeyAnswer,
    OriginalAnswer,
    ReplayAnswer,
    RevokedKeyAnswer,
    RotatedKeyAnswer,
)
from api.routes.openapi import AWAY, header, parameter, problem

LETTERS, MAX_LETTERS = 50, 200
KEYS, MAX_KEYS = 200, 1_000
ACTS, MAX_ACTS = 50, 500
ERASURES, MAX_ERASURES = 50, 500
MAX_REASON = 500

_NOT_KEPT = {"Cache-Control": header("Not to be kept.", const="no-store")}
_UNKNOWN = "A parameter can't be understood: every fault is listed."
_PATTERN = r"^[0-9A-Za-z]{8}$"


def _limit(default: int, most: int) -> dict[str, Any]:
    schema = {"type": "integer", "minimum": 1, "maximum": most, "default": default}
    return parameter("limit", "How many, at most.", schema)


def _read(model: type[BaseModel], *parameters: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Describe an operation that reads."""
    return {
        "response_model": model,
        "responses": {
            200: {"headers": _NOT_KEPT},
            **more.get("responses", {}),
            422: problem(_UNKNOWN),
            503: AWAY,
        },
        "openapi_extra": {"parameters": list(parameters)},
    }


def _act(
    form: type[BaseModel], model: type[BaseModel], status: int = 200, missing: str = ""
) -> dict[str, Any]:
    """Describe an operation that changes something. `missing`: what a 404 means, if any."""
    not_found = {404: problem(missing)} if missing else {}
    return {
        "status_code": status,
        "response_model": model,
        "responses": {
            status: {"headers": _NOT_KEPT},
            400: problem("The body is malformed."),
            **not_found,
            408: problem("The body took too long to arrive."),
            413: problem("The body has more than 64 KiB."),
            415: problem(
                "The body is not `application/json`, or has an unknown content coding.",
                **{"Accept-Encoding": {"schema": {"type": "string"}}},
            ),
            422: problem("The body is not valid: `errors` lists every fault."),
            503: AWAY,
        },
        "openapi_extra": {
            "requestBody": {
                "required": True,
                "content": {JSON: {"schema": form.model_json_schema()}},
            },
        },
    }


LIST_LETTERS = _read(
    DeadLettersAnswer,
    _limit(LETTERS, MAX_LETTERS),
    parameter(
        "after",
        "Go on after this dead letter: the `next_after` of the page before.",
        {"type": "string", "format": "uuid"},
    ),
    parameter(
        "reason",
        "Only those whose reason contains this text, in the same case.",
        {"type": "string", "maxLength": MAX_REASON},
    ),
)
GET_LETTER = _read(OriginalAnswer, responses={404: problem("No dead letter has this ID.")})
REPLAY = _act(Selection, ReplayAnswer)
DISCARD = _act(Selection, DiscardAnswer)
LIST_KEYS = _read(
    KeysAnswer,
    _limit(KEYS, MAX_KEYS),
    parameter(
        "after",
        "Go on after this key: the `next_after` of the page before.",
        {"type": "string", "pattern": _PATTERN},
    ),
    parameter("all", "Revoked and expired keys too.", {"type": "boolean", "default": False}),
)
CREATE_KEY = _act(NewKeyBody, NewKeyAnswer, 201)
ROTATE_KEY = _act(RotateBody, RotatedKeyAnswer, 201, missing="No key has this ID.")
REVOKE_KEY = _act(RevokeBody, RevokedKeyAnswer, missing="No key has this ID.")
LIST_ACTS = _read(
    ActsAnswer,
    _limit(ACTS, MAX_ACTS),
    parameter(
        "before",
        "Go on before this act: the `next_before` of the page before.",
        {"type": "string", "maxLength": 100},
    ),
)
LIST_ERASURES = _read(ErasuresAnswer, _limit(ERASURES, MAX_ERASURES))
GET_ERASURE = _read(ErasureAnswer, responses={404: problem("No erasure has this ID.")})
ERASE = _act(EraseBody, ErasureAnswer, 202)
ERASE["responses"][409] = problem("A legal hold keeps events of this email.")
