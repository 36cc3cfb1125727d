"""The routes of signing in and out: a page trades a key for a cookie that no script can read."""

import math
from datetime import UTC, datetime
from time import time
from typing import Annotated

import msgspec
from fastapi import Request, Response

from api.auth.bearer import AUTHORIZATION
from api.auth.own_page import has_secure_origin, require_own_page
from api.auth.principal import NEVER, Principal
from api.auth.session_cookie import ended_cookie, session_cookie, session_token
from api.formats.session_schemas import MAX_KEY, SessionAnswer, SessionKey
from api.http.error_detail import ErrorDetail
from api.http.media_type import media_type
from api.http.problem_response import JsonResponse
from api.http.problems import Problem
from api.http.request_body import BodyLimits, read_body
from api.routes import openapi_session
from api.routes.protected_route import keys_of, protected_router, who_asks
from api.services import services_of
from storage.access.api_key import ApiKey

router = protected_router(tags=["session"])

_LIMITS = BodyLimits(bytes=4096, seconds=10, subject="a key to sign in with")
_NO_STORE = {"cache-control": "no-store"}


class _Posted(msgspec.Struct, forbid_unknown_fields=True):
    key: Annotated[str, msgspec.Meta(max_length=MAX_KEY)]


@router.post("/session", **openapi_session.POST)
async def sign_in(request: Request) -> Response:
    """Trade a key for a session, which lasts as long as the key, but not for long.

    Only for the service's own page. While no key is needed there is no session.
    """
    require_own_page(request.scope["headers"])
    token = await _posted_token(request)
    keys = keys_of(request)
    if keys.is_open:
        return _answer(SessionAnswer(needs_key=False))
    sent = token.encode("ascii", "replace")
    key = keys.principal_of([(AUTHORIZATION, b"Bearer " + sent)]).key
    assert key is not None
    session = await services_of(request).sessions.begin(key)
    answer = _answer(_of_key(key, is_session=True, until=session.ends_at))
    seconds = math.ceil(session.ends_at - time())
    is_secure = has_secure_origin(request.scope)
    answer.headers["set-cookie"] = session_cookie(session, seconds, _root(request), is_secure)
    return answer


@router.get("/session", **openapi_session.GET)
async def who(request: Request) -> Response:
    """Say who asks, with a session or a key, and what they may do; never the secret."""
    if keys_of(request).is_open:
        return _answer(SessionAnswer(needs_key=False))
    try:
        principal = await who_asks(request)
    except Problem as problem:
        if problem.status != openapi_session.UNAUTHORIZED:
            raise
        return _answer(SessionAnswer(needs_key=True))
    return _answer(_of_principal(principal))


@router.delete("/session", status_code=204, **openapi_session.DELETE)
async def sign_out(request: Request) -> Response:
    """End the session for all who have its cookie; also if there is none."""
    require_own_page(request.scope["headers"])
    token = session_token(request.scope["headers"])
    if token is not None:
        await services_of(request).sessions.end(token)
    cookie = ended_cookie(_root(request), has_secure_origin(request.scope))
    return Response(status_code=204, headers={"set-cookie": cookie, **_NO_STORE})


async def _posted_token(request: Request) -> str:
    """Return the key in the body. No error has a word of the body: it may be the key."""
    media_type(request, "application/json")
    with services_of(request).memory_budget.reservation() as memory:
        body = await read_body(request.scope, request.receive, _LIMITS, memory)
    try:
        return msgspec.json.decode(body, type=_Posted).key
    except msgspec.ValidationError:
        fault = ErrorDetail("must be an object with the text `key`, and nothing else", pointer="")
        raise Problem(422, "The body is not valid.", [fault]) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Problem(400, "The body is not JSON.") from None


def _of_principal(principal: Principal) -> SessionAnswer:
    assert principal.key is not None
    is_session = principal.until != NEVER
    return _of_key(principal.key, is_session, principal.ends_at)


def _of_key(key: ApiKey, is_session: bool, until: float) -> SessionAnswer:
    return SessionAnswer(
        needs_key=True,
        is_session=is_session,
        until=None if until == NEVER else datetime.fromtimestamp(until, UTC),
        key=SessionKey(
            id=key.id,
            name=key.name,
            scopes=sorted(key.scopes),
            components=list(key.components),
            environments=list(key.environments),
            events_per_second=key.events_per_second,
            events_per_day=key.events_per_day,
        ),
    )


def _answer(found: SessionAnswer) -> Response:
    return JsonResponse(found.model_dump(mode="json"), headers=_NO_STORE)


def _root(request: Request) -> str:
    return str(request.scope.get("root_path", "")).rstrip("/")
