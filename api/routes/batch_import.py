"""`POST /events/batch?import=true`: accept events of the past."""

from fastapi import Request, Response

from api.formats.registry import BatchFormat
from api.http.error_detail import ErrorDetail
from api.http.headers import texts
from api.http.problem_response import json_answer
from api.http.problems import Problem, unavailable
from api.ingest import batch_response
from api.ingest.ack import HEADER as ACK
from api.ingest.ack import ack_level
from api.ingest.batch_reader import ParsedBatch
from api.ingest.idempotency import HEADER as IDEMPOTENCY_KEY
from api.ingest.importing import Import, Importer
from api.ingest.options import PostOptions
from api.ingest.rejections import Rejections
from api.routes.batch_body import read_batch
from api.routes.protected_route import still_valid
from api.services import services_of
from storage.errors import Unavailable


async def import_batch(
    request: Request, posted: BatchFormat, options: PostOptions, rejections: Rejections
) -> Response:
    """Accept the valid items once they are on disk; tell of each whether it was there before.

    Raises Problem; 503 without PostgreSQL, because then that can't be told.
    """
    _require_no_key(request)
    services = services_of(request)
    with services.memory_budget.reservation() as reservation:
        batch = await read_batch(request, posted, reservation)
        judged = await _judge(services.importer, batch)
        if not options.dry_run:
            rejections.pending, rejections.items = len(batch.good), batch.by_reason
        _require_items(batch, options, rejections)
        if options.dry_run:
            return json_answer(batch_response.dry_import_body(batch, judged))
        imported = await services.importer.accept(judged, still_valid(request).key)
        rejections.pending = 0
        receipts = None
        if options.ack == "stored":
            receipts = await services.importer.receipts(imported, batch)
    accepted = imported.accepted
    ack = "queued" if receipts is None else ack_level(receipts)
    headers = texts(accepted.limit_headers) if accepted else {}
    body = batch_response.imported_body(batch, judged, receipts)
    return json_answer(body, 201 if ack == "stored" else 202, {ACK: ack, **headers})


async def _judge(importer: Importer, batch: ParsedBatch) -> Import:
    try:
        return await importer.judge(batch)
    except Unavailable as error:
        raise unavailable(
            "The queue or PostgreSQL does not answer, so it can't be told which events are new. "
            "Nothing was imported."
        ) from error


def _require_items(batch: ParsedBatch, options: PostOptions, rejections: Rejections) -> None:
    """Raise Problem 422 if nothing is left to accept, or if the batch is atomic and not whole."""
    if not batch.good:
        raise batch_response.all_rejected(batch)
    if options.atomic and batch.problems:
        rejections.reason = "held_back"
        raise batch_response.atomic_rejected(batch)


def _require_no_key(request: Request) -> None:
    if request.headers.getlist(IDEMPOTENCY_KEY):
        fault = ErrorDetail(
            "can't come with an import: its events have the same ids each time, so it may be "
            "repeated as it is",
            header=IDEMPOTENCY_KEY,
        )
        raise Problem(422, "The idempotency key is not valid.", [fault])
