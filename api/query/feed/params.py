"""From a query string of the feed to what is asked for, or to every fault in it at once. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from api.http.error_detail import ErrorDetail
from api.query.clock import Clock
from api.query.fresh import take_switch
from api.query.pairs import InvalidQuery, Pair, decoded_pairs, fault
from api.query.params import filters_of
from api.query.statistics.params import FILTERS, one_of
from storage.model.filters import MAX_LIMIT, Filters, digest
from storage.model.name_limits import NameLimits

START = "start"
MAX_WAIT = 60
DEFAULT_LIMIT = MAX_LIMIT

_AFTER = (
    "Continues after this token: a `next` of `GET /events/changes`, or an `id` of "
    "`GET /events/tail`. `start`: begins with everything that is stored. Without: from now on."
)
OF_CHANGES = {
    "after": _AFTER,
    "limit": f"The number of events in an answer at most, 1 to {MAX_LIMIT:,}; the default is "
    f"{DEFAULT_LIMIT:,}.",
    "wait": f"If there is nothing to answer yet: waits so many seconds for it, 0 to {MAX_WAIT}; "
    "the default is 0. Without `after` the answer comes at once.",
}
OF_TAIL = {
    "after": f"{_AFTER} The header `Last-Event-ID` goes before it.",
    "skip": "`true`: skips what was stored until now, and tells how many events that were.",
}
"""The parameters beside the filters, with their descriptions in Markdown."""

_FILTERS = [each.name for each in FILTERS]
_MAX_DIGITS = 4


@dataclass(frozen=True, slots=True)
class FeedQuestion:
    """Which events are asked for. Readers share a query if `name` and their position are equal."""

    filters: Filters
    name: str

    @classmethod
    def of(cls, filters: Filters, limits: NameLimits | None) -> "FeedQuestion":
        """Return the question that these filters ask, within the limits of the client."""
        if limits is None:
            return cls(filters, digest(filters))
        narrowed = limits.narrow(filters)
        return cls(narrowed, f"{digest(narrowed)}-{limits.digest}")


@dataclass(frozen=True, slots=True)
class ChangesQuestion:
    """One poll. `after`: a token, START, or None for from now on."""

    asked: FeedQuestion
    after: str | None
    limit: int
    wait: int


@dataclass(frozen=True, slots=True)
class TailQuestion:
    """One stream. `after`: a token, START, or None for from now on."""

    asked: FeedQuestion
    after: str | None
    skip: bool


def parse_changes(query_string: bytes, limits: NameLimits | None) -> ChangesQuestion:
    """Return what a raw query string asks for. Raises `InvalidQuery`, and nothing else.

    `limits`: those of the client, which narrow what it gets.
    """
    faults: list[ErrorDetail] = []
    pairs = decoded_pairs(query_string, faults)
    own = _own(pairs, OF_CHANGES)
    after = _after(pairs, faults)
    limit = one_of(own, "limit", _whole(1, MAX_LIMIT), faults)
    wait = one_of(own, "wait", _whole(0, MAX_WAIT), faults)
    asked = _question(pairs, OF_CHANGES, faults, limits)
    return ChangesQuestion(asked, after, limit or DEFAULT_LIMIT, wait or 0)


def parse_tail(
    query_string: bytes, last_event_id: str | None, limits: NameLimits | None
) -> TailQuestion:
    """Return what a raw query string and the header `Last-Event-ID` ask for.

    Raises `InvalidQuery`, and nothing else. A browser sends the header when it connects again, with
    the same query string: so the header goes before `after`.
    """
    faults: list[ErrorDetail] = []
    pairs = decoded_pairs(query_string, faults)
    after = _after(pairs, faults)
    skip, _ = take_switch("skip", pairs, faults)
    asked = _question(pairs, OF_TAIL, faults, limits)
    return TailQuestion(asked, last_event_id or after, skip)


def _own(pairs: Sequence[Pair], names: Mapping[str, str]) -> Mapping[str, Sequence[str]]:
    return {name: [value.strip() for known, value in pairs if known == name] for name in names}


def _after(pairs: Sequence[Pair], faults: list[ErrorDetail]) -> str | None:
    """Return the one token, None without any. A blank one is a fault: from now on would be a gap.

    Whoever lost a token into an empty variable must learn so.
    """
    given = {value.strip() for name, value in pairs if name == "after"}
    if "" in given:
        faults.append(fault("after", "is blank: send start or a token, or leave it out"))
    elif len(given) > 1:
        faults.append(fault("after", "is given more than once, with different values"))
    return next(iter(given), None)


def _question(
    pairs: Sequence[Pair],
    own: Mapping[str, str],
    faults: list[ErrorDetail],
    limits: NameLimits | None,
) -> FeedQuestion:
    clock = Clock()
    of_filters = [pair for pair in pairs if pair[0] not in own]
    filters = filters_of(of_filters, faults, clock, [*_FILTERS, *own])
    if clock.is_read:
        raise InvalidQuery(list(map(_relative, dict.fromkeys(filter(_is_relative, of_filters)))))
    return FeedQuestion.of(filters, limits)


def _is_relative(pair: Pair) -> bool:
    clock = Clock()
    try:
        filters_of([pair], [], clock)
    except InvalidQuery:  # found before
        return False
    return clock.is_read


def _relative(pair: Pair) -> ErrorDetail:
    return fault(pair[0], "has a relative date, but a feed goes on: give a day or an instant")


def _whole(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        is_number = text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS
        if not is_number or not least <= int(text) <= most:
            raise ValueError(f"must be a whole number from {least} to {most}")
        return int(text)

    return read
