"""The routes that read, for FastAPI and the OpenAPI document."""

from datetime import datetime
from functools import partial
from uuid import UUID

from fastapi import Request, Response
from starlette.convertors import StringConvertor, register_url_convertor

from api.formats.offload import run_if_small
from api.http.accept import prefers
from api.http.answer import JSON, AnswerResponse
from api.http.conditional import conditional_answer
from api.http.headers import header_values
from api.http.problem_response import json_answer
from api.http.problems import Problem
from api.query.around import parse_around, render
from api.query.export.csv_page import csv_answer, csv_page
from api.query.export.csv_rows import MEDIA_TYPE as CSV
from api.query.id_params import is_uuid
from api.query.known_params import parse_fresh
from api.query.page_answer import IF_NONE_MATCH, count_page, page_answer
from api.query.question import PageQuestion, Question, parse
from api.query.receipts import EventReceipt
from api.query.service import Served
from api.query.statistics.facet_params import parse_facets
from api.query.statistics.params import parse_stats
from api.routes import openapi
from api.routes.fresh_read import wait_until_fresh
from api.routes.openapi_around import GET_AROUND
from api.routes.openapi_statistics import GET_FACETS, GET_STATS
from api.routes.path_ids import EventId
from api.routes.protected_route import principal_of, protected_router
from api.services import services_of
from storage.model.event import encode_event, id_ms, time_text, to_ms


class _EventId(StringConvertor):
    """An event id in a path; `batch`, `stats` and the like are other paths."""

    regex = "(?!(batch|stats|facets|changes|tail|export)$)[^/]+"


register_url_convertor("event_id", _EventId())
router = protected_router()


@router.get("/events", **openapi.GET_EVENTS)
async def get_events(request: Request) -> Response:
    """History: the events that match every filter, newest first, a page at a time.

    With `id`: these events and their receipts, in the order asked. A client that prefers `text/csv`
    gets CSV; `Link` then says where the next page is.
    """
    question, served = await _answer(request)
    count_page(served.verdict)
    known = _if_none_match(request)
    if not prefers(request.scope["headers"], CSV.encode(), JSON.encode()):
        return AnswerResponse(page_answer(served.page, served.verdict, known))
    by_id = not isinstance(question.asked, PageQuestion)
    query = request.scope["query_string"]
    page, link = await run_if_small(
        len(served.page.body), partial(csv_page, served.page, query, by_id)
    )
    answer = page_answer(served.page, served.verdict, b"")
    return AnswerResponse(csv_answer(page, link, answer, known))


@router.get("/events/stats", **GET_STATS)
async def get_stats(request: Request) -> Response:
    """Statistics: how many events match every filter, in bars of time, exactly.

    What takes too long is counted in part, from the newest event on: the answer says what is
    `covered`, and `next` continues it.
    """
    limits = principal_of(request).limits
    asked = parse_stats(request.scope["query_string"], limits)
    if asked.fresh:
        await wait_until_fresh(request)
    body = await services_of(request).statistics.answer(asked, request.receive)
    return AnswerResponse(conditional_answer(body, _if_none_match(request)))


@router.get("/events/facets", **GET_FACETS)
async def get_facets(request: Request) -> Response:
    """Facets: how many events that match every filter have each value of a field, exactly.

    What takes too long is counted in part, from the newest event on: the answer says what is
    `covered`. Asked again, it goes on from there.
    """
    limits = principal_of(request).limits
    asked = parse_facets(request.scope["query_string"], limits)
    if asked.fresh:
        await wait_until_fresh(request)
    body = await services_of(request).facets.answer(asked.question, request.receive)
    return AnswerResponse(conditional_answer(body, _if_none_match(request)))


@router.get("/events/{event_id:event_id}", **openapi.GET_EVENT)
async def get_event(request: Request, event_id: EventId) -> Response:
    """One event and its receipt, from the moment it was accepted."""
    wanted = _event_id(event_id)
    if parse_fresh(request.scope["query_string"]):
        await wait_until_fresh(request)
    return json_answer(encode_event(await _found(request, wanted)))


@router.get("/events/{event_id:event_id}/around", **GET_AROUND)
async def get_around(request: Request, event_id: EventId) -> Response:
    """One event, and the stored events before and after it, in the order of time."""
    wanted = _event_id(event_id)
    question = parse_around(request.scope["query_string"])
    if question.fresh:
        await wait_until_fresh(request)
    found = await _found(request, wanted)
    sides = question.sides(found, principal_of(request).limits)
    before, after = await services_of(request).history.around(*sides)
    return json_answer(render(before, found, after))


async def _found(request: Request, wanted: UUID) -> EventReceipt:
    """Return the event and its receipt. Raises Problem 404 for one that the client may not see."""
    history, limits = services_of(request).history, principal_of(request).limits
    found = (await history.find([wanted], limits)).get(wanted)
    # An unreadable event has no component that limits could admit.
    if found is None and limits is None and await history.stored_states([wanted]):
        raise Problem(
            500,
            "This event was accepted, but its bytes can't be read: see `activity dead-letters`.",
        )
    if found is None:
        raise Problem(404, _not_found(wanted, await history.horizon()))
    return EventReceipt.of(*found)


def _not_found(wanted: UUID, horizon: datetime | None) -> str:
    """Say why there is no such event; whether one was removed, nobody knows."""
    if horizon is None or id_ms(wanted) >= to_ms(horizon):
        return "No event with this ID was accepted."
    return (
        "There is no event with this ID. Events that were created before "
        f"{time_text(to_ms(horizon))} are not kept any more."
    )


def _if_none_match(request: Request) -> bytes:
    return b",".join(header_values(request.scope["headers"], IF_NONE_MATCH))


async def _answer(request: Request) -> tuple[Question, Served]:
    """Return what the query string asks for, and these events or this page."""
    history, limits = services_of(request).history, principal_of(request).limits
    question = parse(request.scope["query_string"], limits)
    if question.fresh:
        await wait_until_fresh(request)
    if isinstance(question.asked, PageQuestion):
        return question, await history.page(question.asked)
    return question, await history.receipts(question.asked, limits)


def _event_id(text: str) -> UUID:
    if not is_uuid(text):
        raise Problem(404, f"{text[:40]!r} is not a valid event ID (expected a UUID).")
    event_id = UUID(text)
    if event_id.version != 7:
        raise Problem(404, "No event with this ID was accepted: event IDs are UUIDs of version 7.")
    return event_id
