"""The OpenAPI document as a whole: what FastAPI can't say of each operation."""

from typing import Any

from api.auth.access import ACCESS, SCHEME
from api.query.lag import NAME
from api.routes.openapi import AWAY, JSON, header, problem, reference
from storage.access.api_key import Scope

_FASTAPI_ERRORS = ("HTTPValidationError", "ValidationError")
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
_LAG = header(
    "The age in seconds of the oldest event that is accepted and not stored; `unknown` if no "
    "reading of the last 2 s tells.",
    pattern=r"^([0-9]+\.[0-9]|unknown)$",
)
_CHALLENGE = {"WWW-Authenticate": header("How to send a key.")}


def corrected(document: dict[str, Any]) -> dict[str, Any]:
    """Correct the document in place: each error is a problem document, each scope is named.

    Removes FastAPI's own error schemas, and adds the errors that come before any route.
    """
    document["components"]["securitySchemes"] = _SECURITY_SCHEMES
    for name, path in document["paths"].items():
        for method, operation in path.items():
            _add_security(operation, ACCESS[method.upper(), name])
            for status, description in _BEFORE_ANY_ROUTE.items():
                answer = problem(description)
                del answer["model"]
                operation["responses"].setdefault(status, answer)
            for status, answer in list(operation["responses"].items()):
                content = answer.get("content", {})
                if content.get(JSON) == {"schema": reference("ProblemAnswer")}:
                    del content[JSON]
                elif content.get(JSON) == {"schema": reference(_FASTAPI_ERRORS[0])}:
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
    if scope is Scope.READ:
        _add_lag(operation["responses"])
    if scope is not None:
        responses = operation["responses"]
        responses["401"] = problem("A valid API key is needed.", **_CHALLENGE)
        responses["403"] = problem(f"The key lacks the scope `{scope}`{_or_outside(scope)}.")
        responses.setdefault("503", AWAY)
        for status in ("401", "403", "503"):
            responses[status] = {**responses[status]}
            responses[status].pop("model", None)


def _add_lag(responses: dict[str, Any]) -> None:
    """Add the header of every answer to a reader: of those who are let in, by a route."""
    for status, answer in responses.items():
        if status in _BEFORE_ANY_ROUTE or status in ("401", "403"):
            continue
        lag = {**_LAG, "required": status in ("200", "304")}
        responses[status] = {**answer, "headers": {**answer.get("headers", {}), NAME: lag}}


def _or_outside(scope: Scope) -> str:
    return ", or may not post this component or environment" if scope is Scope.WRITE else ""
