"""The routes that take events, as FastAPI and its OpenAPI document know them."""

from collections.abc import Mapping, Sequence

from fastapi import APIRouter, Request, Response

from api import batch_answer, openapi
from api.acknowledgement import HEADER as ACK
from api.acknowledgement import Ack, Receipt, reached
from api.batch import Batch, BatchReader, Reading
from api.body_reader import Guest, body_pieces, read_body
from api.event_body import parse
from api.idempotency import HEADER as IDEMPOTENCY_KEY
from api.idempotency import RequestKey, digest, the_key
from api.ingest import Accepted, location
from api.items import Array, Lines
from api.post_options import OF_BATCH, OF_EVENT, PostOptions, post_options
from api.problems import Problem
from api.services import Services, services_of
from api.thorough import explained

router = APIRouter(tags=["events"])

JSON = "application/json"
NDJSON = "application/x-ndjson"
_STATUS: Mapping[Ack, int] = {"queued": 202, "stored": 201}


@router.post("/events", **openapi.POST_EVENT)
async def post_event(request: Request) -> Response:
    """Accept an event: 202 once it is on disk, with the id and the time it was given."""
    services = services_of(request)
    limits = services.limits.event
    body = await read_body(request.scope, request.receive, limits)
    options = post_options(request.query_params, OF_EVENT)
    _media_type(request, JSON)
    key = the_key(request.headers.getlist(IDEMPOTENCY_KEY))
    posted = parse(body) or await explained(body, limits.bytes)
    request_key = RequestKey(key, digest(body)) if key else None
    accepted = await services.ingest.accept_all([posted], request_key)
    receipts = await _receipts(services, options, accepted)
    made = accepted.made[0]
    headers = {"location": location(made.id)}
    answer = made.body if receipts is None else _with_receipt(made.body, receipts[0])
    return _answer(answer, receipts, headers)


@router.post("/events/batch", **openapi.POST_BATCH)
async def post_batch(request: Request) -> Response:
    """Accept a batch: 202 once its good items are on disk, with a verdict for each item."""
    options = post_options(request.query_params, OF_BATCH)
    kind = _media_type(request, JSON, NDJSON)
    services = services_of(request)
    key = the_key(request.headers.getlist(IDEMPOTENCY_KEY))
    with services.room.guest() as guest:
        batch = await _read_batch(request, guest, kind)
        if not batch.good:
            raise batch_answer.none_good(batch)
        if options.atomic and batch.problems:
            raise batch_answer.held_back(batch)
        if options.dry_run:
            return Response(batch_answer.tried(batch), 200, media_type=JSON)
        request_key = RequestKey(key, batch.fingerprint) if key else None
        accepted = await services.ingest.accept_all(batch.good, request_key)
    receipts = await _receipts(services, options, accepted)
    return _answer(batch_answer.accepted(batch, accepted.made, receipts), receipts)


def _answer(
    body: bytes, receipts: Sequence[Receipt] | None, headers: Mapping[str, str] | None = None
) -> Response:
    ack = "queued" if receipts is None else reached(receipts)
    return Response(body, _STATUS[ack], {ACK: ack, **(headers or {})}, JSON)


async def _receipts(
    services: Services, options: PostOptions, accepted: Accepted
) -> list[Receipt] | None:
    """None where nobody waits for them."""
    if options.ack == "queued":
        return None
    return await services.acknowledgement.receipts(accepted)


async def _read_batch(request: Request, guest: Guest, kind: str) -> Batch:
    services = services_of(request)
    item_bytes = services.limits.event.bytes
    cutter = Lines(item_bytes) if kind == NDJSON else Array(item_bytes)
    reading = Reading(parse, lambda body: explained(body, item_bytes))
    pieces = body_pieces(request.scope, request.receive, services.limits.batch)
    return await BatchReader(cutter, reading, services.limits.items, guest).read(pieces)


def _with_receipt(body: bytes, receipt: Receipt) -> bytes:
    return body[:-1] + b',"receipt":"%s"}' % receipt.encode()


def _media_type(request: Request, *known: str) -> str:
    """The one of these that the body is sent as. Raises Problem 415 for any other."""
    kinds = request.headers.getlist("content-type") or [""]
    for kind in (kind.partition(";")[0].strip().lower() for kind in kinds):
        if kind not in known:
            told = kind[:100] or "without a content type"
            raise Problem(415, f"Send {' or '.join(known)}; this is {told}.")
    return kind
