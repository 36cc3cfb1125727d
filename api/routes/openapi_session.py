"""Signing in and out, for the OpenAPI document."""

from typing import Any

from fastapi import Response

from api.formats.session_schemas import SessionAnswer, SignInBody
from api.routes.openapi import AWAY, JSON, header, problem

UNAUTHORIZED = 401

_OWN_PAGE = {
    "name": "Activity-Explorer",
    "in": "header",
    "required": True,
    "description": "Only the service's own page can send it, for no other is allowed to.",
    "schema": {"type": "string", "const": "1"},
}
_FOREIGN = problem("Another page may have made the browser send this.")
_NO_STORE = {"Cache-Control": header("Never kept.", const="no-store")}
_COOKIE = {
    "Set-Cookie": {
        "description": "The cookie of the session: HttpOnly, SameSite=Strict.",
        "schema": {"type": "string"},
    }
}

POST: dict[str, Any] = {
    "response_model": SessionAnswer,
    "responses": {
        200: {
            "description": "Signed in; or no key is needed, then there is no session.",
            "headers": {**_NO_STORE, **_COOKIE},
        },
        400: problem("The body is not JSON."),
        401: problem("The key is not valid.", **{"WWW-Authenticate": header("How to send a key.")}),
        403: _FOREIGN,
        413: problem("The body is too large."),
        415: problem(
            "The media type or the content coding is not supported.",
            **{"Accept-Encoding": {"schema": {"type": "string"}}},
        ),
        422: problem("The body is not an object with the text `key`."),
        503: AWAY,
    },
    "openapi_extra": {
        "parameters": [_OWN_PAGE],
        "requestBody": {
            "required": True,
            "content": {JSON: {"schema": SignInBody.model_json_schema()}},
        },
    },
}

GET: dict[str, Any] = {
    "response_model": SessionAnswer,
    "responses": {
        200: {"description": "Who asks; also if nobody is signed in.", "headers": _NO_STORE},
        503: AWAY,
    },
}

DELETE: dict[str, Any] = {
    "response_class": Response,
    "responses": {
        204: {"description": "Signed out.", "headers": {**_NO_STORE, **_COOKIE}},
        403: _FOREIGN,
        503: AWAY,
    },
    "openapi_extra": {"parameters": [_OWN_PAGE]},
}
