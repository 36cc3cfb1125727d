"""The heads of answers with a cached page: most are the same for many requests."""

from api.http.headers import Headers
from api.query.lag import UNKNOWN
from api.query.page_answer import page_answer
from api.server.single_write import head_of
from storage.model.cached_page import CachedPage

MAX_HEADS = 1024


class PageHeads:
    """The heads of answers with a page from the cache.

    They are made once for each page, until a header changes that all of them have: the date, each
    second, or the lag, with each reading of the queue.
    """

    def __init__(self) -> None:
        self._common: Headers = ()
        self._lag = UNKNOWN
        self._heads: dict[tuple[bytes, int], bytes | None] = {}

    def head(self, page: CachedPage, common: Headers, lag: tuple[bytes, bytes]) -> bytes | None:
        """Return the head of an answer with this page; None if uvicorn must send the answer.

        `common`: the headers of every answer, `lag`: the header that tells of the lag. Both are
        compared by identity.
        """
        if common is not self._common or lag is not self._lag or len(self._heads) >= MAX_HEADS:
            self._common, self._lag, self._heads = common, lag, {}
        key = page.etag, len(page.body)
        if key not in self._heads:
            headers = page_answer(page, "HIT", b"", lag).headers
            self._heads[key] = head_of(200, [*common, *headers], len(page.body))
        return self._heads[key]
