"""The OpenAPI document of `GET /events/{id}/around`."""

from typing import Any

from api.formats.schemas import AroundAnswer
from api.query.around import DEFAULT_SIDE, MAX_SIDE, SAME
from api.routes.openapi import AWAY, FRESH_READ, parameter, problem


def _side(name: str) -> dict[str, Any]:
    return parameter(
        name,
        f"How many events {name} it, at most.",
        {"type": "integer", "minimum": 0, "maximum": MAX_SIDE, "default": DEFAULT_SIDE},
    )


GET_AROUND: dict[str, Any] = {
    "tags": ["events"],
    "response_model": AroundAnswer,
    "responses": {
        404: problem("No such event was accepted."),
        422: problem("A parameter can't be understood, or `same` is an email that is not there."),
        503: AWAY,
    },
    "openapi_extra": {
        "parameters": [
            _side("before"),
            _side("after"),
            parameter(
                "same",
                "Only events with the same value as this one has. If repeated: of all of them.",
                {"type": "array", "items": {"type": "string", "enum": list(SAME)}},
            ),
            FRESH_READ,
        ]
    },
}
