"""The route of exports."""

from fastapi import Request, Response

from api.http.accept import accepts_gzip, prefers
from api.http.path_middleware import IS_HEAD
from api.http.problems import Problem
from api.query.export.answer import NDJSON, ExportAnswer
from api.query.export.csv_rows import MEDIA_TYPE as CSV
from api.query.export.params import Format, parse_export
from api.routes.fresh_read import wait_until_fresh
from api.routes.openapi_export import GET_EXPORT
from api.routes.protected_route import principal_of, protected_router
from api.services import services_of

router = protected_router()


@router.get("/events/export", **GET_EXPORT)
async def get_export(request: Request) -> Response:
    """Export: all events that match every filter, oldest first, as lines of JSON or as CSV.

    The end is fixed at the start: what was stored then is in it, each event once. A download that
    breaks off goes on with `cursor`.
    """
    _require_an_end(request)
    principal, headers = principal_of(request), request.scope["headers"]
    default: Format = "csv" if prefers(headers, CSV.encode(), NDJSON.encode()) else "ndjson"
    asked = parse_export(request.scope["query_string"], principal.limits, default)
    is_head = IS_HEAD in request.scope
    if asked.fresh and not is_head:
        await wait_until_fresh(request)
    exports = services_of(request).exports
    return ExportAnswer(exports, asked, principal, accepts_gzip(headers), is_head)


def _require_an_end(request: Request) -> None:
    """Raise Problem 505 where a killed process would end an answer as if it were whole.

    HTTP/1.0 has no chunks, and a Unix socket is never reset. TCP is: `UnframedAnswer`.
    """
    if request.scope["http_version"] == "1.0" and not request.scope.get("client"):
        raise Problem(505, "An export through a Unix socket needs HTTP/1.1.")
