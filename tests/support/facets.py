"""Facets of a service's history in-process, with what was read in the table."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa

from storage.cache.day_cache import DayCache
from storage.model.filters import Filters
from storage.postgres.engine import short_engine
from storage.postgres.read_router import ReadRouter
from storage.settings import StorageSettings
from storage.statistics.coverage import Span
from storage.statistics.facet_question import FacetQuestion
from storage.statistics.facet_slices import FacetSlices
from storage.statistics.facets import CountedFacets, Facets
from tests.support.statistics import unhurried_engine


def never() -> bool:
    """Say that the answer is wanted."""
    return False


def after(checks: int) -> Callable[[], bool]:
    """Return what says that the answer is unwanted after so many times."""
    left = iter([False] * checks)
    return lambda: next(left, True)


@contextmanager
def facets(
    settings: StorageSettings, exact: Sequence[Span] = (), seconds: float = 30, grace_ms: int = 0
) -> Iterator[Facets]:
    """Yield the facets of these servers."""
    engine = unhurried_engine(settings)
    days = DayCache(settings.control_url, 3_600, grace_ms)
    try:
        yield Facets(ReadRouter(engine), lambda connection: exact, days, seconds)
    finally:
        days.close()
        engine.dispose()


def components(counted: CountedFacets) -> dict[str, int]:
    """Return the counts of the first field."""
    return dict(counted.facets[0].values)


_COUNTS = sa.text(
    "SELECT component, count(*) FROM events WHERE created_at >= :start AND created_at < :end "
    "GROUP BY component"
)
_FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)


def in_table(
    settings: StorageSettings, start: datetime = _FIRST, end: datetime = _LAST
) -> Counter[str]:
    """Return how many events of each component are committed."""
    with short_engine(settings.database_url) as engine, engine.begin() as connection:
        rows = connection.execute(_COUNTS, {"start": start, "end": end})
        return Counter({str(name): int(count) for name, count in rows})


@dataclass
class Watched:
    """Asks for the components, and notes which spans were read in the table for it."""

    facets: Facets
    spans: list[Span] = field(default_factory=list)

    def ask(
        self,
        watermark_ms: int,
        filters: Filters | None = None,
        is_unwanted: Callable[[], bool] = never,
    ) -> CountedFacets:
        """Return the facet of the components, counted in the table."""
        self.spans.clear()
        # With two fields of which the counts by hour tell one.
        question = FacetQuestion(filters or Filters(), ("component", "email"))
        return self.facets.count(question, watermark_ms, is_unwanted)


def watch(patch: pytest.MonkeyPatch, read: Facets) -> Watched:
    """Watch what is read in the table."""
    watched = Watched(read)
    original = FacetSlices.read

    def noting(self: FacetSlices, connection: Any, start: datetime, end: datetime) -> Any:
        watched.spans.append((start, end))
        return original(self, connection, start, end)

    patch.setattr(FacetSlices, "read", noting)
    return watched
