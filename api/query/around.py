"""`GET /events/{id}/around`: what was asked, the filters of both sides, and the answer. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

import msgspec

from api.http.error_detail import ErrorDetail
from api.http.unknown_parameter import unknown_parameter
from api.query.fresh import FRESH, take_fresh
from api.query.pairs import InvalidQuery, decoded_pairs, fault
from api.query.receipts import EventReceipt
from storage.model.event import Event
from storage.model.filters import Filters, Order
from storage.model.name_limits import NameLimits

MAX_SIDE = 100
DEFAULT_SIDE = 20
SAME = ("component", "environment", "email")

_KNOWN = ("before", "after", "same", FRESH.name)
T = TypeVar("T")


class Around(msgspec.Struct):
    """An event with its receipt, and the stored events before and after it, in order of time."""

    before: list[Event]
    event: EventReceipt
    after: list[Event]


@dataclass(frozen=True, slots=True)
class AroundQuestion:
    """How many events of each side are asked for, and what of them is the same as of the event."""

    before: int
    after: int
    same: frozenset[str]
    fresh: bool

    def sides(self, event: Event, limits: NameLimits | None) -> tuple[Filters, Filters]:
        """Return the filters of the events before and after, each with the nearest first.

        They begin at the event's id, whose time is that of the event. Raises InvalidQuery if there
        is nothing to be the same.
        """
        same = {name: getattr(event, name) for name in self.same}
        if None in same.values():
            raise InvalidQuery([fault("same", "is email, but this event has none")])

        def side(order: Order, limit: int) -> Filters:
            values: dict[str, Any] = {name: (value,) for name, value in same.items()}
            filters = Filters(**values, order=order, limit=limit, cursor=UUID(event.id))
            return limits.narrow(filters) if limits else filters

        return side("desc", self.before), side("asc", self.after)


def parse_around(query_string: bytes) -> AroundQuestion:
    """Return what a raw query string asks for. Raises `InvalidQuery`, and nothing else."""
    faults: list[ErrorDetail] = []
    fresh, pairs = take_fresh(decoded_pairs(query_string, faults), faults)
    names = dict.fromkeys(name for name, _ in pairs if name not in _KNOWN)
    faults += [fault(name, unknown_parameter(name, _KNOWN)) for name in names]
    given: dict[str, list[str]] = {name: [] for name in _KNOWN}
    for name, value in pairs:
        if name in given and value.strip():
            given[name].append(value.strip())
    before, after = (_side(name, given[name], faults) for name in ("before", "after"))
    same = _read("same", given["same"], _name, faults)
    if faults:
        raise InvalidQuery(faults)
    return AroundQuestion(before, after, frozenset(same), fresh)


def render(before: Sequence[Event], found: EventReceipt, after: Sequence[Event]) -> bytes:
    """Return the answer as JSON; both sides have the nearest first."""
    return msgspec.json.encode(Around([*reversed(before)], found, [*after]))


def _side(name: str, texts: Sequence[str], faults: list[ErrorDetail]) -> int:
    counts = _read(name, texts, _count, faults)
    if len(counts) > 1:
        faults.append(fault(name, "is given more than once, with different values"))
    return min(counts, default=DEFAULT_SIDE)


def _read(
    name: str, texts: Sequence[str], parse: Callable[[str], T], faults: list[ErrorDetail]
) -> set[T]:
    """Return the different values; add one fault for each text that is none."""
    found: set[T] = set()
    for text in dict.fromkeys(texts):
        try:
            found.add(parse(text))
        except ValueError as error:
            faults.append(fault(name, str(error)))
    return found


def _count(text: str) -> int:
    # Not more digits: to convert very many is refused with another error.
    digits = text.isascii() and text.isdigit() and len(text) <= len(str(MAX_SIDE))
    if not digits or int(text) > MAX_SIDE:
        raise ValueError(f"must be a whole number from 0 to {MAX_SIDE}")
    return int(text)


def _name(text: str) -> str:
    if text not in SAME:
        raise ValueError(f"must be {', '.join(SAME[:-1])} or {SAME[-1]}")
    return text
