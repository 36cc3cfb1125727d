"""The explorer: its page and the files that the page loads."""

from importlib import metadata

from fastapi import Request, Response

from api.explorer.assets import Assets
from api.explorer.page import FOLDER, POLICY, Pages
from api.http.accept import accepts_gzip
from api.http.answer import Answer, AnswerResponse, content_headers
from api.http.conditional import is_known
from api.http.headers import Headers, header_values
from api.http.problems import Problem
from api.routes.protected_route import protected_router

router = protected_router(include_in_schema=False)

_ASSETS = Assets()
_PAGES = Pages(_ASSETS, metadata.version("activity-service"))
_GZIP = (b"content-encoding", b"gzip")
_SECURE = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_FOR_A_YEAR = (b"cache-control", b"public, max-age=31536000, immutable")
_ASK_EACH_TIME = (b"cache-control", b"no-cache")


def page(request: Request, root: str) -> Response:
    """Return the explorer's page for a service below `root`; 304 to a browser that has it."""
    headers, found = request.scope["headers"], _PAGES.below(root)
    common = [
        *(
            (b"etag", b"W/" + found.etag),  # weak: it stands for both codings
            _ASK_EACH_TIME,
            (b"vary", b"accept, accept-encoding"),
        ),
        *_SECURE,
    ]
    if is_known(found.etag, b",".join(header_values(headers, b"if-none-match"))):
        return AnswerResponse(Answer(304, common, b""))
    return _answer(headers, b"text/html; charset=utf-8", found.content, found.gzipped, common)


@router.get(f"/{FOLDER}/{{version}}/{{name:path}}")
async def file(request: Request, version: str, name: str) -> Response:
    """Return a file of the explorer. It never changes, because its folder is named by a hash."""
    asset = _ASSETS.files.get(name) if version == _ASSETS.version else None
    if asset is None:
        raise Problem(404, "This version of the explorer has no such file.")
    common = [_FOR_A_YEAR, (b"vary", b"accept-encoding"), *_SECURE]
    media_type = f"{asset.media_type}; charset=utf-8".encode()
    headers = request.scope["headers"]
    return _answer(headers, media_type, asset.content, asset.gzipped, common)


def _answer(
    asked: Headers,
    media_type: bytes,
    content: bytes,
    gzipped: bytes | None,
    common: list[tuple[bytes, bytes]],
) -> Response:
    if gzipped is not None and accepts_gzip(asked):
        return AnswerResponse(
            Answer(200, [*common, _GZIP, *content_headers(media_type, gzipped)], gzipped)
        )
    return AnswerResponse(Answer(200, [*common, *content_headers(media_type, content)], content))
