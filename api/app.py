"""The ASGI application: the middleware for paths, the fast paths, and FastAPI."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from api.auth import cors
from api.auth.key_ring import KeyRing
from api.auth.policy import Policy
from api.http.error_detail import ErrorDetail
from api.http.hosts import Hosts
from api.http.path_middleware import PathMiddleware
from api.http.paths import PATHS
from api.http.problem_response import JsonResponse, ProblemResponse
from api.http.problems import INTERNAL_ERROR, Problem, closing, of_storage
from api.http.proxies import FORWARDED, Prefixes
from api.http.request_metrics import REQUEST, ROUTED_PATH
from api.query.pairs import InvalidQuery
from api.routes import (
    admin,
    explorer,
    export,
    feed,
    ingest,
    methods,
    openapi_document,
    ops,
    otlp,
    pages,
    query,
    session,
)
from api.routes.protected_route import require_protected, who_asks
from api.server.fast_path_protocol import FastPaths
from api.server.framing import VERSIONS
from api.server.page_fast_path import PageFastPath
from api.server.post_fast_path import PostFastPath
from api.server.process_memory import ProcessMemory
from api.services import open_services
from api.settings import ApiSettings
from storage.errors import StorageError
from storage.logs import request_id
from storage.settings import StorageSettings
from storage.tracing import exporting_spans

log = logging.getLogger(__name__)

_NO_SUCH_VERSION = closing(505, "Only HTTP/1.1 and HTTP/1.0 are supported.")


class Application:
    """The ASGI application: FastAPI behind the checks and the middleware that every request passes.

    While it serves, the protocol tries `fast_paths` first.
    """

    def __init__(
        self, storage: StorageSettings, settings: ApiSettings, hosts: Hosts, keys: KeyRing
    ) -> None:
        self._storage = storage
        self._settings = settings
        self._hosts = hosts
        self._keys = keys
        self._prefixes = Prefixes(settings.root_path, settings.proxies)
        self.fastapi = _fastapi(self._lifespan)
        self._front: ASGIApp = PathMiddleware(self.fastapi)
        self.fast_paths: FastPaths | None = None
        self._end: Callable[[], None] | None = None
        self.memory = ProcessMemory.of(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or run the lifespan."""
        if scope["type"] == "http":
            headers = scope["headers"]
            scope[REQUEST] = request_id.begin(headers)
            found = dict(headers)
            if scope["http_version"] not in VERSIONS:
                await ProblemResponse(_NO_SUCH_VERSION)(scope, receive, send)
                return
            if found.get(b"host") not in self._hosts.known or len(found) != len(headers):
                refusal = self._hosts.refusal(scope)
                if refusal is not None:
                    await ProblemResponse(refusal)(scope, receive, send)
                    return
            if self._prefixes.fixed or FORWARDED in found:
                below = self._prefixes.below(scope, found.get(FORWARDED))
                scope[ROUTED_PATH] = below["path"]
                scope = below
            if scope["method"] == "POST" and cors.ORIGIN in found:
                send = cors.watch(scope, send, found[cors.ORIGIN])
        await self._front(scope, receive, send)

    def end_streams(self) -> None:
        """End the streams that are open, answer the polls that wait, and end long acts early."""
        if self._end is not None:
            self._end()

    @asynccontextmanager
    async def _lifespan(self, app: FastAPI) -> AsyncIterator[None]:
        # The last spans are sent here: after the lifespan, uvicorn ends the process by its signal.
        with exporting_spans("api"):
            async with open_services(
                self._storage, self._settings, self.memory.bodies, self._keys
            ) as services:
                app.state.services = services
                self._end = services.end
                hosts, memo, prefix = self._hosts, self._keys.memo, self._prefixes.fixed
                self.fast_paths = FastPaths(
                    PostFastPath(services.ingest, services.limits.event.bytes, hosts, memo, prefix),
                    PageFastPath(services.history, services.lag, hosts, memo, prefix),
                )
                yield


def create_app(
    storage: StorageSettings | None = None,
    settings: ApiSettings | None = None,
    hosts: Hosts | None = None,
    policy: Policy = "required",
    is_local: bool = True,
) -> Application:
    """Return the service as an ASGI application.

    Settings come from the environment unless given. `hosts`: the names that the service answers to;
    unless given, every name. `policy`: who is let in without an API key. `is_local`: only this
    machine reaches the service.
    """
    keys = KeyRing(policy, is_local)
    return Application(
        storage or StorageSettings(), settings or ApiSettings(), hosts or Hosts(), keys
    )


class _FastAPI(FastAPI):
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Put the prefix before the path, where ASGI wants it and the middleware does not."""
        if scope.get("root_path"):
            scope = {**scope, "path": scope["root_path"] + scope["path"]}
        await super().__call__(scope, receive, send)

    def openapi(self) -> dict[str, Any]:
        return openapi_document.corrected(super().openapi())


def _fastapi(lifespan: object) -> FastAPI:
    app = _FastAPI(
        title="Activity Service",
        version=pages.VERSION,
        description=(
            "An event that was acknowledged is on disk, is stored exactly once, and a page read "
            "from the cache is never stale."
        ),
        lifespan=lifespan,  # type: ignore[arg-type]
        default_response_class=JsonResponse,
        openapi_url=None,  # api/routes/pages.py
        redirect_slashes=False,
    )
    for routes in (ingest, otlp, feed, export, query, ops, admin, session, explorer, pages):
        app.include_router(require_protected(routes.router))
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(StorageError, _on_storage_error)
    app.add_exception_handler(InvalidQuery, _on_invalid_query)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(ClientDisconnect, _on_disconnect)
    app.add_exception_handler(Exception, _on_internal_error)
    return app


async def _on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return ProblemResponse(error)


async def _on_storage_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, StorageError)
    problem = of_storage(error)
    if problem.status >= 500:
        log.warning("%s %s: %s", request.method, request.url.path, error)
    return ProblemResponse(problem)


async def _on_invalid_query(request: Request, error: Exception) -> Response:
    assert isinstance(error, InvalidQuery)
    return ProblemResponse(Problem(422, error.summary, error.faults))


async def _on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    faults = [ErrorDetail(_invalid(e), parameter=str(e["loc"][-1])) for e in error.errors()]
    return ProblemResponse(Problem(422, "The request is not valid.", faults))


def _invalid(error: dict[str, Any]) -> str:
    if error["type"] == "literal_error":
        return f"must be {error['ctx']['expected']}, not {str(error['input'])[:100]!r}"
    return str(error["msg"])


_NO_SUCH_PATH = f"No such path. The paths are {', '.join(PATHS)}.".replace("event_id", "id")


async def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 405 and request.method == "OPTIONS":
        return methods.options(request)
    if error.status_code == 404 and methods.is_of_server(request):
        return methods.options_of_server()
    try:
        await who_asks(request)
    except Problem as problem:  # which paths there are is for those with a key
        return ProblemResponse(problem)
    if error.status_code == 405:
        return ProblemResponse(methods.not_allowed(request))
    detail = _NO_SUCH_PATH if error.status_code == 404 else str(error.detail)
    raw = [(name.lower().encode(), text.encode()) for name, text in (error.headers or {}).items()]
    return ProblemResponse(Problem(error.status_code, detail, headers=raw))


async def _on_disconnect(request: Request, error: Exception) -> Response:
    return Response()  # nobody reads it


async def _on_internal_error(request: Request, error: Exception) -> Response:
    return ProblemResponse(INTERNAL_ERROR)
