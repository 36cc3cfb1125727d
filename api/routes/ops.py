"""The routes for probes and operators, for FastAPI and the OpenAPI document."""

from typing import Annotated

from fastapi import Query, Request, Response

from api.formats.status_schemas import Liveness, Readiness, StatusAnswer
from api.http.problem_response import JsonResponse
from api.ops.health import Purpose
from api.query.known_params import require_known
from api.routes import openapi
from api.routes.protected_route import may_observe, protected_router
from api.services import services_of

router = protected_router(tags=["health"])


@router.get("/health", response_model=Liveness)
@router.get("/heath", response_model=Liveness, include_in_schema=False)  # the first version's
async def health() -> Liveness:
    """Say that the process lives, without asking any server."""
    return Liveness()


@router.get("/health/ready", response_model=Readiness, responses=openapi.READY)
async def ready(
    request: Request,
    purpose: Annotated[
        Purpose, Query(alias="for", description="`accept` events, or `query` history.")
    ] = "accept",
) -> Response:
    """Say whether events can be accepted, or history can be read, with each server's state.

    Only who may observe the service gets the state of its servers.
    """
    require_known(request.scope["query_string"], ["for"])
    answer = await services_of(request).probes.readiness(purpose)
    status = 200 if answer.status == "ready" else 503
    headers = {} if status == 200 else {"retry-after": "2"}
    shown = answer if await may_observe(request) else Readiness(status=answer.status)
    return JsonResponse(shown.model_dump(exclude_none=True), status, headers)


@router.get("/metrics", **openapi.METRICS)
async def metrics(request: Request) -> Response:
    """Report all metrics for Prometheus, as text or as OpenMetrics. What is unknown is left out."""
    found = await services_of(request).metrics.answer(request.headers.get("accept", ""))
    return Response(found.body, headers={"content-type": found.media_type})


@router.get(
    "/status",
    response_model=StatusAnswer,
    responses={422: openapi.problem("There are no parameters.")},
)
async def status(request: Request) -> StatusAnswer:
    """Report the backlog, the workers, and whether every accepted event is accounted for."""
    require_known(request.scope["query_string"], [])
    return await services_of(request).status.report()


@router.get("/admin/rates", **openapi.RATES)
async def rates(request: Request) -> Response:
    """Report what was accepted, stored and rejected in each minute of the last hour."""
    require_known(request.scope["query_string"], [])
    return JsonResponse(await services_of(request).rates.answer())
