"""What a query string asks for. The fast path and the route share one parse of it."""

from dataclasses import dataclass
from functools import lru_cache
from uuid import UUID

from api.http.error_detail import ErrorDetail
from api.query.clock import Clock, this_minute
from api.query.fresh import take_fresh
from api.query.id_params import ids_of
from api.query.pairs import decoded_pairs
from api.query.params import filters_of
from storage.cache import tags
from storage.model.filters import Filters, digest
from storage.model.name_limits import NameLimits

REMEMBERED_BYTES = 1024  # of a query string that is worth remembering
_REMEMBERED = 1024  # query strings


@dataclass(frozen=True, slots=True)
class PageQuestion:
    """A page of history: its filters, the digest that is its cache key, and its cache tags.

    `is_relative`: its filters follow from the minute in which it was asked.
    """

    filters: Filters
    digest: str
    tags: list[str]
    is_relative: bool = False

    @classmethod
    def of(
        cls, filters: Filters, limits: NameLimits | None = None, is_relative: bool = False
    ) -> "PageQuestion":
        """Return the question that these filters ask, within the limits of the client.

        Clients share a page in the cache only if their limits are equal. Otherwise whether it comes
        from the cache would tell what others have asked.
        """
        if limits is None:
            return cls(filters, digest(filters), tags.of_page(filters), is_relative)
        narrowed = limits.narrow(filters)
        name = f"{digest(narrowed)}-{limits.digest}"
        return cls(narrowed, name, tags.of_page_within(narrowed, limits), is_relative)


@dataclass(frozen=True, slots=True)
class Question:
    """A page, or events by their ids. `fresh`: the answer must have all that was accepted."""

    asked: PageQuestion | tuple[UUID, ...]
    fresh: bool


def parse(query_string: bytes, limits: NameLimits | None = None) -> Question:
    """Return what a raw query string asks for. Raises `InvalidQuery`, and nothing else.

    `limits`: those of the client. They narrow the filters, so they are part of the cache key.
    """
    if len(query_string) <= REMEMBERED_BYTES:
        return parse_remembered(query_string, limits)
    return _parse(query_string, limits, this_minute())


def parse_remembered(query_string: bytes, limits: NameLimits | None) -> Question:
    """Do as `parse` does, for at most REMEMBERED_BYTES; remember it, if it is no fault.

    A question with a relative date is remembered for its minute.
    """
    found = _remembered(query_string, limits)
    if isinstance(found.asked, PageQuestion) and found.asked.is_relative:
        return _remembered_in(this_minute(), query_string, limits)
    return found


@lru_cache(_REMEMBERED)
def _remembered(query_string: bytes, limits: NameLimits | None) -> Question:
    return _parse(query_string, limits, this_minute())


@lru_cache(_REMEMBERED)
def _remembered_in(minute: int, query_string: bytes, limits: NameLimits | None) -> Question:
    return _parse(query_string, limits, minute)


def _parse(query_string: bytes, limits: NameLimits | None, minute: int) -> Question:
    faults: list[ErrorDetail] = []
    fresh, pairs = take_fresh(decoded_pairs(query_string, faults), faults)
    if ids := ids_of(pairs, faults):
        return Question(tuple(ids), fresh)
    clock = Clock(minute)
    filters = filters_of(pairs, faults, clock)
    return Question(PageQuestion.of(filters, limits, clock.is_read), fresh)
