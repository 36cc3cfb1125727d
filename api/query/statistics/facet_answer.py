"""The answer of `GET /events/facets`. Pure."""

from collections.abc import Sequence

import msgspec

from api.query.statistics.answer import Covered, Value
from storage.model.cached_page import CachedPage
from storage.statistics.bars import instant_text
from storage.statistics.facet_question import KEYS_OF_DATA, FacetQuestion, field_name
from storage.statistics.facets import CountedFacets
from storage.statistics.newest_keys import NewestKeys
from storage.statistics.question import Path
from storage.statistics.value_counts import Facet


class FacetBody(msgspec.Struct):
    """The values of a field. With the rest they add up to the number of events covered."""

    values: list[Value]
    other: int
    missing: int
    distinct: int | None


class KeysBody(msgspec.Struct):
    """The keys of `data` in the newest events."""

    values: list[Value]
    missing: int
    distinct: int
    newest: int


class FacetsBody(msgspec.Struct, rename={"start": "from", "end": "to"}):
    """The facets of each field, over what is covered of the window."""

    start: str
    end: str
    total: int | None
    complete: bool
    covered: Covered
    fields: dict[str, FacetBody | KeysBody | None]


def render(question: FacetQuestion, counted: CountedFacets, keys: NewestKeys | None) -> CachedPage:
    """Return the answer as JSON, with its ETag. `keys`: None if not asked for, or not known."""
    fields: dict[str, FacetBody | KeysBody | None] = {
        field_name(field): _facet(facet)
        for field, facet in zip(question.fields, counted.facets, strict=True)
    }
    if question.has_keys:
        fields[KEYS_OF_DATA] = _keys(keys, question.values) if keys else None
    covered = Covered(instant_text(counted.since), instant_text(counted.window.end))
    body = FacetsBody(
        instant_text(counted.window.start),
        instant_text(counted.window.end),
        _total(counted.facets),
        counted.is_complete,
        covered,
        fields,
    )
    return CachedPage.of(msgspec.json.encode(body) + b"\n")


def _total(facets: Sequence[Facet]) -> int | None:
    """Return how many events were counted, None if only keys of `data` are asked for."""
    totals = (sum(count for _, count in one.values) + one.other + one.missing for one in facets)
    return next(totals, None)


def _facet(facet: Facet) -> FacetBody:
    values = [Value(*each) for each in facet.values]
    return FacetBody(values, facet.other, facet.missing, facet.distinct)


def _keys(keys: NewestKeys, most: int) -> KeysBody:
    named = [(field_name(path), count) for path, count in keys.paths.items() if _has_name(path)]
    named.sort(key=lambda each: (-each[1], each[0]))
    values = [Value(*each) for each in named[:most]]
    return KeysBody(values, keys.missing, len(named), keys.newest)


def _has_name(path: Path) -> bool:
    """Return whether the path has a name as a parameter: no key is empty or has a dot."""
    return all(key and "." not in key for key in path)
