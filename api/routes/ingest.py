"""The routes that accept events, as FastAPI and the OpenAPI document know them."""

from collections.abc import Mapping, Sequence
from functools import partial
from hashlib import blake2b

from fastapi import Request, Response

from api.auth.limited_reader import limited
from api.formats.offload import run_if_small
from api.formats.registry import batch_format, event_reader, import_format
from api.http.headers import texts
from api.http.memory_budget import Reservation
from api.http.problem_response import json_answer
from api.http.request_body import read_body
from api.ingest import batch_response
from api.ingest.ack import HEADER as ACK
from api.ingest.ack import Ack, ack_level
from api.ingest.idempotency import HEADER as IDEMPOTENCY_KEY
from api.ingest.idempotency import REPLAYED, RequestKey, digest, parse_key
from api.ingest.options import OF_BATCH, OF_EVENT, PostOptions, post_options
from api.ingest.rejections import Rejections
from api.ingest.service import Accepted, location
from api.routes import openapi
from api.routes.batch_body import read_batch
from api.routes.batch_import import import_batch
from api.routes.protected_route import principal_of, protected_router, still_valid
from api.services import Services, services_of
from storage.model.receipt import Receipt

router = protected_router(tags=["events"])

_STATUS: Mapping[Ack, int] = {"queued": 202, "stored": 201}


@router.post("/events", **openapi.POST_EVENT)
async def post_event(request: Request) -> Response:
    """Accept an event once it is on disk, and return it with its id and time."""
    with Rejections() as rejections, services_of(request).memory_budget.reservation() as memory:
        return await _post_event(request, memory, rejections)


async def _post_event(
    request: Request, reservation: Reservation, rejections: Rejections
) -> Response:
    services = services_of(request)
    limits = services.limits.event
    body = await read_body(request.scope, request.receive, limits, reservation)
    options = post_options(request.query_params, OF_EVENT)
    key = _idempotency_key(request)
    reader = limited(event_reader(request, limits.bytes), principal_of(request).limits)
    event = reader.parse(body)
    if event is None:
        event = await run_if_small(len(body), partial(reader.validate, body))
    request_key = RequestKey(key, digest(reader.identity(body))) if key else None
    api_key = still_valid(request).key
    accepted = await services.ingest.accept_all([event], request_key, api_key)
    rejections.pending = 0
    receipts = await _receipts(services, options, accepted)
    [event_id], [stamped] = accepted.stamped.ids, accepted.stamped.bodies
    url = request.scope.get("root_path", "") + location(event_id.decode())
    answer = stamped if receipts is None else _with_receipt(stamped, receipts[0])
    return _answer(answer, accepted, receipts, {"location": url})


@router.post("/events/batch", **openapi.POST_BATCH)
async def post_batch(request: Request) -> Response:
    """Accept the valid items of a batch once they are on disk; return the result of each item."""
    with Rejections() as rejections:
        return await _post_batch(request, rejections)


async def _post_batch(request: Request, rejections: Rejections) -> Response:
    options = post_options(request.query_params, OF_BATCH)
    if options.dry_run:
        rejections.pending = 0
    posted = batch_format(request)
    services = services_of(request)
    if options.is_import:
        return await import_batch(request, import_format(posted), options, rejections)
    key = _idempotency_key(request)
    hash_ = blake2b(digest_size=16) if key else None
    with services.memory_budget.reservation() as reservation:
        batch = await read_batch(request, posted, reservation, hash_)
        if not options.dry_run:
            rejections.pending, rejections.items = len(batch.good), batch.by_reason
        if not batch.good:
            raise batch_response.all_rejected(batch)
        if options.atomic and batch.problems:
            rejections.reason = "held_back"
            raise batch_response.atomic_rejected(batch)
        if options.dry_run:
            return json_answer(batch_response.dry_run_body(batch))
        request_key = None
        if key and hash_:
            # The ids of a retry are those of the first request only if the same items are good: the
            # limits may have changed meanwhile. And the same bytes may be of another media type.
            media_type, bad = posted.media_type.encode(), sorted(batch.problems)
            identity = b"%b %b %a" % (media_type, hash_.digest(), bad)
            request_key = RequestKey(key, digest(identity))
        api_key = still_valid(request).key
        accepted = await services.ingest.accept_all(batch.good, request_key, api_key)
        accepted = accepted.without_bodies()
        rejections.pending = 0
    receipts = await _receipts(services, options, accepted)
    return _answer(
        batch_response.accepted_body(batch, accepted.stamped, receipts), accepted, receipts
    )


def _idempotency_key(request: Request) -> str | None:
    """Return the request's idempotency key. Each API key has idempotency keys of its own."""
    key = parse_key(request.headers.getlist(IDEMPOTENCY_KEY))
    return key and principal_of(request).own(key)


def _answer(
    body: bytes,
    accepted: Accepted,
    receipts: Sequence[Receipt] | None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    ack = "queued" if receipts is None else ack_level(receipts)
    replayed = {REPLAYED: "true"} if accepted.replayed else {}
    more = {**(headers or {}), **texts(accepted.limit_headers), **replayed}
    return json_answer(body, _STATUS[ack], {ACK: ack, **more})


async def _receipts(
    services: Services, options: PostOptions, accepted: Accepted
) -> list[Receipt] | None:
    """Return what became of the events, or None if the request does not wait for that."""
    if options.ack == "queued":
        return None
    return await services.ack_waiter.receipts(accepted)


def _with_receipt(body: bytes, receipt: Receipt) -> bytes:
    return body[:-1] + b',"receipt":"%s"}' % receipt.encode()
