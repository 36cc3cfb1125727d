"""The routes that take events, as FastAPI and its OpenAPI document know them."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import partial
from hashlib import blake2b

from fastapi import APIRouter, Request, Response

from api.formats import hints
from api.formats.cloudevents.binary import binary, is_binary
from api.formats.cloudevents.structured import BATCH, STRUCTURED, Mapped, plainly_good, structured
from api.formats.hints import NDJSON
from api.formats.native_fast import EventIn, parse, parse_many
from api.formats.offload import LARGE_BODY, run_if_small, validated_in_turn
from api.http.answer import JSON
from api.http.json_scan import without_bom
from api.http.media_type import media_type
from api.http.memory_budget import Reservation
from api.http.problem_response import json_answer
from api.http.problems import Problem
from api.http.request_body import body_pieces, read_body, without_first_bom
from api.ingest import batch_response
from api.ingest.ack import HEADER as ACK
from api.ingest.ack import Ack, reached
from api.ingest.batch_reader import BatchReader, ParsedBatch, Reading
from api.ingest.idempotency import HEADER as IDEMPOTENCY_KEY
from api.ingest.idempotency import REPLAYED, RequestKey, digest, the_key
from api.ingest.options import OF_BATCH, OF_EVENT, PostOptions, post_options
from api.ingest.service import Accepted, location
from api.ingest.splitters import JsonArraySplitter, NdjsonSplitter
from api.routes import openapi
from api.services import Services, services_of
from storage.model.receipt import Receipt

router = APIRouter(tags=["events"])

_STATUS: Mapping[Ack, int] = {"queued": 202, "stored": 201}


@router.post("/events", **openapi.POST_EVENT)
async def post_event(request: Request) -> Response:
    """Accept an event: 202 once it is on disk, with the id and the time it was given."""
    with services_of(request).memory_budget.reservation() as reservation:
        return await _post_event(request, reservation)


async def _post_event(request: Request, reservation: Reservation) -> Response:
    services = services_of(request)
    limits = services.limits.event
    body = await read_body(request.scope, request.receive, limits, reservation)
    options = post_options(request.query_params, OF_EVENT)
    key = the_key(request.headers.getlist(IDEMPOTENCY_KEY))
    posted, text = await _read_event(request, body, limits.bytes)
    request_key = RequestKey(key, digest(text)) if key else None
    accepted = await services.ingest.accept_all([posted], request_key)
    receipts = await _receipts(services, options, accepted)
    [event_id], [event] = accepted.stamped.ids, accepted.stamped.bodies
    place = request.scope.get("root_path", "") + location(event_id.decode())
    answer = event if receipts is None else _with_receipt(event, receipts[0])
    return _answer(answer, accepted, receipts, {"location": place})


@router.post("/events/batch", **openapi.POST_BATCH)
async def post_batch(request: Request) -> Response:
    """Accept a batch: 202 once its good items are on disk, with a verdict for each item."""
    options = post_options(request.query_params, OF_BATCH)
    kind = media_type(request, JSON, NDJSON, BATCH, elsewhere=hints.OF_BATCHES)
    services = services_of(request)
    key = the_key(request.headers.getlist(IDEMPOTENCY_KEY))
    text = blake2b(digest_size=16) if key else None
    with services.memory_budget.reservation() as reservation:
        batch = await _read_batch(request, reservation, kind, text)
        if not batch.good:
            raise batch_response.none_good(batch)
        if options.atomic and batch.problems:
            raise batch_response.held_back(batch)
        if options.dry_run:
            return json_answer(batch_response.tried(batch))
        request_key = None
        if key and text:
            # The ids of a retry are those of the first request only if the same items are good: the
            # limits may have changed meanwhile. And the same bytes may be of another media type.
            whole = b"%b %b %a" % (kind.encode(), text.digest(), sorted(batch.problems))
            request_key = RequestKey(key, digest(whole))
        accepted = (await services.ingest.accept_all(batch.good, request_key)).without_bodies()
    receipts = await _receipts(services, options, accepted)
    return _answer(batch_response.accepted(batch, accepted.stamped, receipts), accepted, receipts)


def _answer(
    body: bytes,
    accepted: Accepted,
    receipts: Sequence[Receipt] | None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    ack = "queued" if receipts is None else reached(receipts)
    replayed = {REPLAYED: "true"} if accepted.replayed else {}
    return json_answer(body, _STATUS[ack], {ACK: ack, **(headers or {}), **replayed})


async def _receipts(
    services: Services, options: PostOptions, accepted: Accepted
) -> list[Receipt] | None:
    """None where nobody waits for them."""
    if options.ack == "queued":
        return None
    return await services.ack_waiter.receipts(accepted)


async def _read_event(request: Request, body: bytes, limit: int) -> tuple[EventIn, bytes]:
    """The event, and the text that stands for the whole of what was sent."""
    read = _of_cloudevents(request)
    if read is None:
        return parse(body) or await _validated(body, limit), body

    def look() -> tuple[EventIn, bytes]:
        mapped = read(body)
        return mapped.event(limit), mapped.body

    return await run_if_small(len(body), look)


async def _validated(body: bytes, limit: int) -> EventIn:
    try:
        return await validated_in_turn(without_bom(body), limit)
    except Problem as problem:
        raise problem.with_hint(hints.of_event(body)) from None


def _of_cloudevents(request: Request) -> Callable[[bytes], Mapped] | None:
    """How a CloudEvent's body is read; None when it is an event of ours. Raises Problem 415."""
    headers = request.scope["headers"]
    if is_binary(headers):
        return partial(binary, headers)
    kind = media_type(request, JSON, STRUCTURED, elsewhere=hints.OF_EVENTS)
    return _structured if kind == STRUCTURED else None


def _structured(body: bytes) -> Mapped:
    try:
        return structured(without_bom(body))
    except Problem as problem:
        raise problem.with_hint(hints.of_event(body)) from None


async def _read_batch(
    request: Request, reservation: Reservation, kind: str, text: blake2b | None
) -> ParsedBatch:
    """`text` is fed all that is read."""
    services = services_of(request)
    limits = services.limits.items
    item_bytes = limits.item_bytes
    cutter = (
        NdjsonSplitter(item_bytes, limits.lines)
        if kind == NDJSON
        else JsonArraySplitter(item_bytes, limits.brackets)
    )
    reading = Reading(parse_many, parse, lambda body: validated_in_turn(body, item_bytes))
    if kind == BATCH:
        reading = Reading(
            lambda bodies: None,
            lambda body: None if len(body) > LARGE_BODY else plainly_good(body, item_bytes),
            lambda body: run_if_small(len(body), lambda: structured(body).event(item_bytes)),
        )
    pieces = without_first_bom(body_pieces(request.scope, request.receive, services.limits.batch))
    if text is not None:
        pieces = _heard(pieces, text.update)
    return await BatchReader(cutter, reading, limits, reservation).read(pieces)


async def _heard(
    pieces: AsyncIterator[bytes], hear: Callable[[bytes], None]
) -> AsyncIterator[bytes]:
    async for piece in pieces:
        hear(piece)
        yield piece


def _with_receipt(body: bytes, receipt: Receipt) -> bytes:
    return body[:-1] + b',"receipt":"%s"}' % receipt.encode()
