"""Pages for people, and the OpenAPI document. They load nothing from other servers."""

from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

from fastapi import Request, Response
from fastapi.responses import HTMLResponse, JSONResponse

from api.http.problem_response import JsonResponse
from api.http.problems import Problem
from api.routes import explorer
from api.routes.openapi_document import with_required_keys
from api.routes.protected_route import keys_of, protected_router

router = protected_router(include_in_schema=False)

VERSION = version("activity-service")
_OWN_FILES = Path(__file__).with_name("static")
# Swagger UI as its authors build it. The routes serve no other file of the package.
_SWAGGER_UI = Path(str(files("fastapi_offline"))) / "static"

_FILES: Mapping[str, tuple[Path, str]] = {
    "docs.js": (_OWN_FILES / "docs.js", "text/javascript"),
    "swagger-ui-bundle.js": (_SWAGGER_UI / "swagger-ui-bundle.js", "text/javascript"),
    "swagger-ui.css": (_SWAGGER_UI / "swagger-ui.css", "text/css"),
    "favicon.png": (_SWAGGER_UI / "favicon.png", "image/png"),
}
_DOCS = (_OWN_FILES / "docs.html").read_text()

_CONTENT_SECURITY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
_SECURE = {
    "content-security-policy": _CONTENT_SECURITY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}
_CACHED = {"cache-control": "max-age=3600"}
_LINKS = {
    "docs": "/docs",
    "openapi": "/openapi.json",
    "events": "/events",
    "batches": "/events/batch",
    "logs": "/v1/logs",
    "status": "/status",
    "metrics": "/metrics",
    "health": "/health",
    "ready": "/health/ready",
}


@router.get("/")
async def home(request: Request) -> Response:
    """Describe the service: the explorer for a browser, JSON for other clients."""
    if "text/html" in request.headers.get("accept", ""):
        return explorer.page(request, _root(request))
    headers = {"vary": "accept", **_SECURE}
    links = {name: _root(request) + path for name, path in _LINKS.items()}
    answer = {"service": "Activity Service", "version": VERSION, "links": links}
    return JsonResponse(answer, headers=headers)


@router.get("/docs")
async def docs() -> Response:
    """Return the page that shows the OpenAPI document and sends requests."""
    return HTMLResponse(_DOCS, headers=_SECURE)


@router.get("/docs/{name}")
@router.get("/docs/docs/{name}")  # relative links of a page requested as /docs/
async def file(name: str) -> Response:
    """Return a file that the pages load."""
    if name not in _FILES:
        raise Problem(404, "There is no such file.")
    return Response(_content(name), media_type=_FILES[name][1], headers=_SECURE | _CACHED)


@router.get("/openapi.json")
async def openapi_document(request: Request) -> JSONResponse:
    """Return the OpenAPI document."""
    document = request.app.openapi()
    if not keys_of(request).is_open:
        document = with_required_keys(document)
    if root := _root(request):
        document = {**document, "servers": [{"url": root}]}
    return JsonResponse(document, headers=_SECURE)


@cache
def _content(name: str) -> bytes:
    return _FILES[name][0].read_bytes()


def _root(request: Request) -> str:
    return str(request.scope.get("root_path", "")).rstrip("/")
