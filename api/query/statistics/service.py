"""Count for clients, a few at once."""

from collections.abc import Awaitable, Callable

from starlette.types import Receive

from api.query.bulk_reads import BulkReads, IsUnwanted
from api.query.pairs import InvalidQuery, fault
from api.query.statistics.answer import render
from api.query.statistics.params import StatsQuestion
from storage.model.cached_page import CachedPage
from storage.statistics.bars import TooManyBars
from storage.statistics.reader import Statistics


class StatisticsService:
    """Statistics of the history, counted in threads and connections of their own.

    `watermark_ms` returns the time before which everything is stored, 0 if unknown.
    """

    def __init__(
        self,
        statistics: Statistics,
        watermark_ms: Callable[[], Awaitable[int]],
        reads: BulkReads,
    ) -> None:
        self._statistics = statistics
        self._watermark_ms = watermark_ms
        self._reads = reads

    async def answer(self, asked: StatsQuestion, receive: Receive) -> CachedPage:
        """Return the counts that are asked for; `receive` tells when the client has left.

        Raises InvalidQuery, DatabaseUnavailable, QueryTooSlow, and what BulkReads raises.
        """
        question = asked.question
        watermark_ms = 0 if question.is_of_hours else await self._watermark_ms()

        def read(is_unwanted: IsUnwanted) -> CachedPage:
            counted = self._statistics.count(
                question, asked.scale, asked.place, watermark_ms, is_unwanted
            )
            return render(asked, counted)

        try:
            return await self._reads.run(read, receive)
        except TooManyBars as error:
            raise InvalidQuery([fault("interval", str(error))]) from None
