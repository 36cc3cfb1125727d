"""A page of history as CSV: from the same JSON that the cache has."""

from urllib.parse import quote

import msgspec

from api.http.answer import Answer, content_headers
from api.http.conditional import is_known
from api.query.export.csv_rows import COLUMNS, MEDIA_TYPE, CsvRows
from api.query.receipts import EventReceipt
from storage.model.cached_page import CachedPage
from storage.model.event import Event

_MEDIA_TYPE = f"{MEDIA_TYPE}; charset=utf-8; header=present".encode()
_CURSOR = b"cursor="


class _Page(msgspec.Struct):
    events: list[Event]
    next_cursor: str | None


class _Receipts(msgspec.Struct):
    events: list[EventReceipt]
    next_cursor: None = None


_WITH_RECEIPTS = (*COLUMNS, "receipt")


def csv_page(page: CachedPage, query_string: bytes, has_receipts: bool) -> tuple[CachedPage, bytes]:
    """Return the page as CSV, and the value of `Link`: empty on the last page.

    It has an `ETag` of its own. The link continues the query of `query_string`.
    """
    etag = page.etag[:-1] + b'-csv"'
    if has_receipts:
        receipts = msgspec.json.decode(page.body, type=_Receipts)
        rows = CsvRows(_WITH_RECEIPTS)
        return CachedPage((rows.header() + rows.rows(receipts.events)).encode(), etag), b""
    found = msgspec.json.decode(page.body, type=_Page)
    rows = CsvRows()
    body = (rows.header() + rows.rows(found.events)).encode()
    return CachedPage(body, etag), _link(query_string, found.next_cursor)


def csv_answer(page: CachedPage, link: bytes, answer: Answer, if_none_match: bytes) -> Answer:
    """Return the answer with the page in place of that of `answer`, which is the same in JSON."""
    others = (b"etag", b"content-type", b"content-length")
    headers = [(name, value) for name, value in answer.headers if name not in others]
    headers += [(b"etag", page.etag), *([(b"link", link)] if link else [])]
    if if_none_match and is_known(page.etag, if_none_match):
        return Answer(304, headers, b"")
    return Answer(200, [*headers, *content_headers(_MEDIA_TYPE, page.body)], page.body)


def _link(query_string: bytes, cursor: str | None) -> bytes:
    """Return the link to the next page, relative to the path of this one."""
    if cursor is None:
        return b""
    pairs = [pair for pair in query_string.split(b"&") if pair and not pair.startswith(_CURSOR)]
    query = b"&".join([*pairs, _CURSOR + quote(cursor).encode()])
    safe = quote(query, safe="%&=+,;:@!$'()*/?-._~")
    return f'<?{safe}>; rel="next"'.encode()
