"""Routes that check who asks before they read the request."""

from collections.abc import Callable
from time import time
from typing import Any

from fastapi import APIRouter, Request
from fastapi.routing import APIRoute
from starlette.datastructures import QueryParams
from starlette.types import Message, Receive, Scope, Send

from api.auth import cors, refusals
from api.auth.access import scopes_of, scopes_with
from api.auth.key_ring import KeyRing
from api.auth.own_page import admits_session
from api.auth.principal import NEVER, Principal
from api.auth.session_cookie import session_token
from api.auth.sessions import Sessions
from api.http.problems import Problem
from api.ingest.rejections import count_rejected
from api.query.lag import Lag
from storage.access.api_key import Scope as KeyScope

PRINCIPAL = "activity.principal"
_VARY_COOKIE = (b"vary", b"cookie")


class ProtectedRoute(APIRoute):
    """A route that lets in only those who have the scope that the table names for it.

    The check stands in the route, and not before it: so no spelling of a path can reach another
    route than the one that was checked. A route without a line in the table can't be made.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        self._scopes = scopes_of(self.path_format, self.methods or ())
        self._scopes_with = scopes_with(self.path_format, self.methods or ())

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check who asks, and handle the request. Raises Problem 401, 403 or 503.

        A method that the route does not have is left to the handler of 405.
        """
        needed = self._needed(scope)
        if needed is not None:
            principal = scope[PRINCIPAL] = await _let_in(scope, needed)
            if principal.until != NEVER:
                send = _for_session(send)
        if needed is KeyScope.READ:
            send = _with_lag(send, scope["app"].state.services.lag)
        await super().handle(scope, receive, send)

    def _needed(self, scope: Scope) -> KeyScope | None:
        """Return the scope that the table names for the method and the parameters."""
        method = scope["method"]
        if scope["query_string"] and (special := self._scopes_with.get(method)):
            given = QueryParams(scope["query_string"]).multi_items()
            for name, value in given:
                if other := special.get((name, value)):
                    return other
        return self._scopes.get(method)


def protected_router(**options: Any) -> APIRouter:
    """Return a router whose routes are protected."""
    return APIRouter(route_class=ProtectedRoute, **options)


def require_protected(router: APIRouter) -> APIRouter:
    """Return the router. Raises TypeError for a route that does not check who asks."""
    if open_routes := [one for one in router.routes if not isinstance(one, ProtectedRoute)]:
        raise TypeError(f"not a ProtectedRoute: {open_routes[0]}")
    return router


def keys_of(request: Request) -> KeyRing:
    """Return the keys of the application that received this request."""
    keys: KeyRing = request.app.state.services.keys
    return keys


def principal_of(request: Request) -> Principal:
    """Return who asks; for routes that need a scope."""
    principal: Principal = request.scope[PRINCIPAL]
    return principal


def still_valid(request: Request) -> Principal:
    """Return who asks. Raises Problem 401 if the key has ended while the request was read."""
    principal = principal_of(request)
    if time() >= principal.ends_at:
        raise refusals.unauthorized()
    return principal


async def who_asks(request: Request) -> Principal:
    """Return who asks, with a key or a session; for open routes. Raises Problem 401, 403 or 503."""
    try:
        return keys_of(request).principal_of(request.scope["headers"])
    except refusals.NoKey as refusal:
        return await _session_holder(request.scope, refusal)


async def may_observe(request: Request) -> bool:
    """Return whether the client of an open route may see the state of the service."""
    try:
        return (await who_asks(request)).may(KeyScope.OBSERVE)
    except Problem:
        return False


def _with_lag(send: Send, lag: Lag) -> Send:
    """Return a `send` that says in each answer, an error too, how old the history is."""

    async def send_with_lag(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], lag.header()]}
        await send(message)

    return send_with_lag


def _for_session(send: Send) -> Send:
    """Return a `send` that tells caches that the answer is for this session."""

    async def send_for_session(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], _VARY_COOKIE]}
        await send(message)

    return send_for_session


async def _let_in(scope: Scope, needed: KeyScope) -> Principal:
    keys: KeyRing = scope["app"].state.services.keys
    try:
        try:
            principal = keys.principal_of(scope["headers"])
            cors.allow_for(scope, principal)
        except refusals.NoKey as refusal:
            principal = await _session_holder(scope, refusal)
        if not principal.may(needed):
            raise refusals.lacks(needed) if principal.key else refusals.needs_key(needed)
    except Problem as problem:
        if scope["method"] == "POST":
            count_rejected(problem)
        raise
    return principal


async def _session_holder(scope: Scope, refusal: refusals.NoKey) -> Principal:
    """Return who asks with a session. Raises `refusal` without one, Problem 401, 403 or 503."""
    token = session_token(scope["headers"])
    if token is None or not admits_session(scope):
        raise refusal
    sessions: Sessions = scope["app"].state.services.sessions
    return await sessions.holder(token)
