"""The routes of the feed, for FastAPI and the OpenAPI document."""

from dataclasses import replace

from fastapi import Request, Response

from api.http.answer import JSON, Answer, AnswerResponse, content_headers
from api.http.error_detail import ErrorDetail
from api.http.headers import header_values
from api.http.path_middleware import IS_HEAD
from api.query.feed.params import parse_changes, parse_tail
from api.query.feed.tokens import InvalidToken
from api.query.pairs import InvalidQuery, fault
from api.routes.event_stream import EventStream
from api.routes.openapi_feed import GET_CHANGES, GET_TAIL
from api.routes.protected_route import principal_of, protected_router
from api.services import services_of

_NO_STORE = (b"cache-control", b"no-store")
_LAST_EVENT_ID = "Last-Event-ID"

router = protected_router()


@router.get("/events/changes", **GET_CHANGES)
async def get_changes(request: Request) -> Response:
    """Feed: the events stored after a token, each exactly once, and the token after them.

    In the order in which they were stored. With `wait` the answer comes once there are events.
    """
    principal = principal_of(request)
    asked = parse_changes(request.scope["query_string"], principal.limits)
    if request.scope.get(IS_HEAD):
        asked = replace(asked, wait=0)
    try:
        body = await services_of(request).feed.changes(asked, principal, request.receive)
    except InvalidToken as error:
        raise InvalidQuery([fault("after", str(error))]) from None
    headers = [*content_headers(JSON.encode(), body), _NO_STORE]
    return AnswerResponse(Answer(200, headers, body))


@router.get("/events/tail", **GET_TAIL)
async def get_tail(request: Request) -> Response:
    """Feed: the events as they are stored, each exactly once, as a stream of server-sent events.

    Each has a token as its `id`, with which the stream goes on after a reconnection. An event `at`
    tells each second where the stream stands.
    """
    principal, feed = principal_of(request), services_of(request).feed
    last = _last_event_id(request)
    asked = parse_tail(request.scope["query_string"], last, principal.limits)
    feed.streams.require_free()
    try:
        frames = await feed.tail(asked, principal)
    except InvalidToken as error:
        if last is None:
            raise InvalidQuery([fault("after", str(error))]) from None
        raise InvalidQuery([ErrorDetail(str(error), header=_LAST_EVENT_ID)]) from None
    return EventStream(frames, feed.streams)


def _last_event_id(request: Request) -> str | None:
    """Return the header's value; None if there is none, or a blank one."""
    values = header_values(request.scope["headers"], _LAST_EVENT_ID.lower().encode())
    return values[-1].decode("latin-1").strip() or None if values else None
