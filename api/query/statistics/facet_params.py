"""From the query string of `GET /events/facets` to a question, or to every fault in it at once."""

from collections.abc import Iterable
from typing import NamedTuple

from api.http.error_detail import ErrorDetail
from api.query.clock import Clock
from api.query.fresh import FRESH, take_fresh
from api.query.pairs import InvalidQuery, decoded_pairs, fault
from api.query.params import filters_of
from api.query.statistics.params import FILTERS, group_of, one_of
from storage.model.name_limits import NameLimits
from storage.statistics.facet_question import DEFAULT_VALUES, KEYS_OF_DATA, FacetQuestion
from storage.statistics.newest_keys import NEWEST
from storage.statistics.question import Group

MAX_FIELDS = 10
MAX_VALUES = 100

OWN = {
    "field": "Counts the values of `component`, `environment`, `email` or `data.<path>`; `data` "
    f"lists the keys that `data` has in the newest {NEWEST:,} matches. If repeated: of each field, "
    f"at most {MAX_FIELDS}.",
    "values": "The most values that are named of each field, the most frequent ones, 1 to "
    f"{MAX_VALUES}; the default is {DEFAULT_VALUES}.",
}
"""The parameters beside the filters, with their descriptions in Markdown."""

KNOWN = [*OWN, *(each.name for each in FILTERS), FRESH.name]


class AskedFacets(NamedTuple):
    """What is counted; `fresh`: only once all that was accepted before is stored."""

    question: FacetQuestion
    fresh: bool


def parse_facets(query_string: bytes, limits: NameLimits | None = None) -> AskedFacets:
    """Return the question of a raw query string. Raises `InvalidQuery`, and nothing else.

    `limits`: those of the client, which narrow what is counted.
    """
    faults: list[ErrorDetail] = []
    fresh, pairs = take_fresh(decoded_pairs(query_string, faults), faults)
    own = {name: [value.strip() for known, value in pairs if known == name] for name in OWN}
    names = [name for name in own["field"] if name]
    fields = _fields(names, faults)
    values = one_of(own, "values", _count, faults) or DEFAULT_VALUES
    filters = filters_of([pair for pair in pairs if pair[0] not in OWN], faults, Clock(), KNOWN)
    if faults:
        raise InvalidQuery(faults)
    narrowed = limits.narrow(filters) if limits else filters
    question = FacetQuestion(narrowed, fields, KEYS_OF_DATA in names, values, limits)
    return AskedFacets(question, fresh)


def _fields(names: list[str], faults: list[ErrorDetail]) -> tuple[Group, ...]:
    if not 1 <= len(names) <= MAX_FIELDS:
        what = f"is given {len(names)} times, over {MAX_FIELDS}" if names else "is needed"
        faults.append(fault("field", f"{what}, as in field=component&field=data.customer.tier"))
        return ()
    return tuple(_known(dict.fromkeys(names), faults))


def _known(names: Iterable[str], faults: list[ErrorDetail]) -> Iterable[Group]:
    for name in names:
        if name == KEYS_OF_DATA:
            continue
        try:
            yield group_of(name, ", or data for its keys", "repeat field for each of them")
        except ValueError as error:
            faults.append(fault("field", f"{name[:60]!r} {error}"))


def _count(text: str) -> int:
    digits = text.isascii() and text.isdigit() and len(text) < 5
    if not digits or not 1 <= int(text) <= MAX_VALUES:
        raise ValueError(f"must be a whole number from 1 to {MAX_VALUES}")
    return int(text)
