"""Count values for clients, a few at once."""

import time
from collections.abc import Awaitable, Callable

from starlette.types import Receive

from api.query.bulk_reads import BulkReads, IsUnwanted
from api.query.statistics.facet_answer import render
from storage.events.page_rows import Page
from storage.model.cached_page import CachedPage
from storage.model.filters import Filters
from storage.statistics.facet_question import FacetQuestion
from storage.statistics.facets import Facets
from storage.statistics.newest_keys import newest_keys


class FacetService:
    """Facets of the history, counted in the threads and connections of statistics.

    `page_of` reads the pages in which keys of `data` are looked for; `watermark_ms` returns the
    time before which everything is stored, 0 if unknown.
    """

    def __init__(
        self,
        facets: Facets,
        page_of: Callable[[Filters], Page],
        watermark_ms: Callable[[], Awaitable[int]],
        reads: BulkReads,
    ) -> None:
        self._facets = facets
        self._page_of = page_of
        self._watermark_ms = watermark_ms
        self._reads = reads

    async def answer(self, asked: FacetQuestion, receive: Receive) -> CachedPage:
        """Return the facets that are asked for; `receive` tells when the client has left.

        Raises DatabaseUnavailable, QueryTooSlow, and what BulkReads raises.
        """
        watermark_ms = 0 if asked.is_of_hours else await self._watermark_ms()

        def read(is_unwanted: IsUnwanted) -> CachedPage:
            begun, keys = time.monotonic(), None
            if asked.has_keys:
                keys = newest_keys(self._page_of, asked.filters, is_unwanted)
            counted = self._facets.count(asked, watermark_ms, is_unwanted, begun)
            return render(asked, counted, keys)

        return await self._reads.run(read, receive)
