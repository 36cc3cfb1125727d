"""The routes, as FastAPI and its OpenAPI document know them."""

import re
from typing import Annotated, cast
from uuid import UUID

import anyio
import anyio.to_thread
import msgspec
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse

from api import openapi
from api.event_body import EventIn, explain
from api.faults import Fault
from api.health import Purpose, readiness
from api.idempotency import HEADER as IDEMPOTENCY_KEY
from api.ingest import location
from api.problems import Problem
from api.query_string import InvalidQuery, parse_filters
from api.schemas import Liveness, Readiness, StatusAnswer
from api.services import Services
from storage.filters import Filters

router = APIRouter()

_JSON = "application/json"
_is_uuid = re.compile("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}").fullmatch

# Saying what is wrong with a large body takes tens of milliseconds: not in the event loop.
_LARGE_BODY = 16 * 1024
_explaining = anyio.CapacityLimiter(2)


@router.post("/events", **openapi.POST_EVENT)
async def post_event(request: Request) -> Response:
    """Accept an event: 202 once it is on disk, with the id and the time it was given."""
    _require_no_parameters(request)
    _require_json(request)
    services = _services(request)
    body = await request.body()
    posted = await _explain(body, services.settings.event_bytes)
    if keys := request.headers.getlist(IDEMPOTENCY_KEY):
        made = await services.ingest.accept_once(keys, body, posted)
    else:
        made = await services.ingest.accept(posted)
    return Response(made.body, 202, {"location": location(made.id)}, _JSON)


@router.get("/events", **openapi.GET_EVENTS)
async def get_events(request: Request) -> Response:
    """History: the events that match every filter, newest first, a page at a time."""
    served = await _services(request).history.page(_filters(request))
    etag = served.page.etag.decode()
    headers = {"etag": etag, "x-cache": served.verdict, "cache-control": "no-cache"}
    if _matches(",".join(request.headers.getlist("if-none-match")), etag):
        return Response(status_code=304, headers=headers)
    return Response(served.page.body, 200, headers, _JSON)


@router.get("/events/{event_id}", **openapi.GET_EVENT)
async def get_event(request: Request, event_id: str) -> Response:
    """One event and its receipt, from the moment it was accepted."""
    found = await _services(request).history.find(_event_id(event_id))
    if found is None:
        raise Problem(404, "No event with this id was accepted.")
    event, receipt = found
    body = msgspec.json.encode({**msgspec.structs.asdict(event), "receipt": receipt})
    return Response(body, 200, media_type=_JSON)


@router.get("/health", response_model=Liveness, tags=["health"])
@router.get("/heath", response_model=Liveness, include_in_schema=False)  # the first version's
async def health() -> Liveness:
    """The process lives. Touches nothing else."""
    return Liveness()


@router.get("/health/ready", response_model=Readiness, tags=["health"], responses=openapi.READY)
async def ready(
    request: Request,
    purpose: Annotated[
        Purpose, Query(alias="for", description="`accept` events, or `query` history.")
    ] = "accept",
) -> Response:
    """Whether events can be accepted, or history be read, with each server's state."""
    services = _services(request)
    answer = await readiness(purpose, services.pings)
    status = 200 if answer.status == "ready" else 503
    headers = {} if status == 200 else {"retry-after": "2"}
    return JSONResponse(answer.model_dump(exclude_none=True), status, headers)


@router.get("/status", response_model=StatusAnswer, tags=["health"])
async def status(request: Request) -> StatusAnswer:
    """The backlog, the workers, and whether every accepted event is accounted for."""
    return await _services(request).status.report()


async def _explain(body: bytes, limit: int) -> EventIn:
    if len(body) <= _LARGE_BODY:
        return explain(body, limit)
    return await anyio.to_thread.run_sync(explain, body, limit, limiter=_explaining)


def _services(request: Request) -> Services:
    return cast(Services, request.app.state.services)


def _filters(request: Request) -> Filters:
    try:
        return parse_filters(request.scope["query_string"])
    except InvalidQuery as error:
        raise Problem(422, "The query can't be understood.", error.faults) from None


def _event_id(text: str) -> UUID:
    if not _is_uuid(text):
        raise Problem(404, "An event's id is a UUID; this is none.")
    event_id = UUID(text)
    if event_id.version != 7:
        raise Problem(404, "No event with this id was accepted: ids are UUIDs of version 7.")
    return event_id


def _require_json(request: Request) -> None:
    kinds = request.headers.getlist("content-type") or [""]
    for kind in (kind.partition(";")[0].strip().lower() for kind in kinds):
        if kind != _JSON:
            raise Problem(415, f"Send {_JSON}; this is {kind or 'without a content type'}.")
    codings = request.headers.getlist("content-encoding")
    if any(coding.strip().lower() != "identity" for coding in codings):
        raise Problem(415, "Send the body as it is, without a content encoding.")


def _require_no_parameters(request: Request) -> None:
    faults = [Fault("is not known here", parameter=name) for name in request.query_params]
    if faults:
        raise Problem(422, "Posting an event takes no parameters.", faults[:20])


def _matches(if_none_match: str, etag: str) -> bool:
    """RFC 9110, 13.1.2: weak comparison with any of the listed tags."""
    tags = (tag.strip().removeprefix("W/") for tag in if_none_match.split(","))
    return any(tag in (etag, "*") for tag in tags)
