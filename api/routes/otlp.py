"""The route for OpenTelemetry logs: OTLP/HTTP, which defines its own responses."""

import logging

from fastapi import Request, Response
from starlette.requests import ClientDisconnect

from api.auth.limited_reader import refusal_by
from api.formats.offload import run_in_thread
from api.formats.otlp import export as otlp
from api.formats.otlp.encodings import Encoding
from api.formats.otlp.responses import accepted as accepted_body
from api.formats.otlp.responses import failed
from api.formats.registry import log_encoding
from api.http.headers import Headers, texts
from api.http.memory_budget import Reservation
from api.http.problem_response import ProblemResponse
from api.http.problems import INTERNAL_ERROR, Problem, of_storage
from api.http.request_body import body_pieces
from api.ingest.rejections import Rejections
from api.routes import openapi
from api.routes.protected_route import principal_of, protected_router, still_valid
from api.services import Services, services_of
from storage.errors import StorageError

log = logging.getLogger(__name__)
router = protected_router(tags=["events"])


@router.post("/v1/logs", **openapi.POST_LOGS)
async def post_logs(request: Request) -> Response:
    """Accept OpenTelemetry log records once they are on disk; count the records not kept."""
    encoding = log_encoding(request)
    try:
        with Rejections() as rejections:
            export, headers = await _accept(request, services_of(request), encoding, rejections)
    except ClientDisconnect:
        raise
    except Problem as error:
        problem = error
    except StorageError as error:
        log.warning("POST /v1/logs: %s", error)
        problem = of_storage(error)
    except Exception:
        log.exception("POST /v1/logs")
        problem = INTERNAL_ERROR
    else:
        body = accepted_body(encoding, export.refused, export.why())
        return Response(body, 200, texts(headers), encoding.media_type)
    return ProblemResponse(problem, failed(encoding, problem), encoding.media_type)


async def _accept(
    request: Request, services: Services, encoding: Encoding, rejections: Rejections
) -> tuple[otlp.Export, Headers]:
    """Read and accept the whole request, or raise. Return what was read, and more headers."""
    headers: Headers = ()
    with services.memory_budget.reservation() as reservation:
        export = await _read(request, services, encoding, reservation)
        rejections.pending = len(export.events)
        rejections.items = export.refused_by_reason
        reservation.reserve(export.kept_bytes)
        if export.events:
            api_key = still_valid(request).key
            accepted = await services.ingest.accept_all(export.events, api_key=api_key)
            headers = accepted.limit_headers
    return export, headers


async def _read(
    request: Request, services: Services, encoding: Encoding, reservation: Reservation
) -> otlp.Export:
    body = bytearray()
    async for piece in body_pieces(request.scope, request.receive, services.limits.batch):
        reservation.reserve(len(piece))
        body += piece
    # A record can have two bytes, so even a small body may hold very many.
    key_limits = principal_of(request).limits
    return await run_in_thread(
        lambda: otlp.read(body, encoding, services.limits.records, refusal_by(key_limits))
    )
