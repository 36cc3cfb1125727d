"""From the query string of `GET /events` to `Filters`, or to every fault in it at once.

Which parameters there are is declared in `storage/model/filters.py`; how values of each kind are
read is said here.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from api.http.error_detail import ErrorDetail
from api.http.unknown_parameter import unknown_parameter
from api.query import cursors, dates
from api.query.clock import Clock
from api.query.data_params import PATHS, data_groups
from api.query.fresh import FRESH
from api.query.id_params import ID
from api.query.language.parser import parse as parse_question
from api.query.pairs import InvalidQuery, Pair, decoded_pairs, fault
from api.query.tree_params import tree_of
from storage.model.filters import DECLARATIONS, MAX_LIMIT, PARAMETERS, Filters, Order
from storage.model.normal_form import EVERYTHING
from storage.model.parameters import Declaration, Kind
from storage.model.where import And

MAX_VALUES = 50
MAX_CHARACTERS = 1000

_BOUNDED_BY_ITSELF = {each.name for each in PARAMETERS if each.kind == "question"}

KNOWN = [parameter.name for parameter in (*PARAMETERS, ID, FRESH)]

Values = Mapping[str, Sequence[str]]
T = TypeVar("T")


def parse_filters(query_string: bytes) -> Filters:
    """Return the filters a raw query string asks for. Raises `InvalidQuery`, and nothing else."""
    faults: list[ErrorDetail] = []
    return filters_of(decoded_pairs(query_string, faults), faults, Clock())


def filters_of(
    pairs: Sequence[Pair],
    faults: list[ErrorDetail],
    clock: Clock,
    known: Sequence[str] = KNOWN,
) -> Filters:
    """Return the filters of these pairs; `faults` are those found in decoding.

    Relative dates are read by the clock. `known`: the names of all parameters of the route. Raises
    `InvalidQuery`, and nothing else.
    """
    faults = list(faults)
    values = _grouped(pairs, faults, known)
    declared = ((name, each) for name, each in DECLARATIONS.items() if each.parameters)
    fields = {name: _field(each, values, faults, clock) for name, each in declared}
    _refuse_backwards(fields, values, faults, clock)
    if faults:
        raise InvalidQuery(faults)
    return Filters(**fields)


def _field(
    declaration: Declaration, values: Values, faults: list[ErrorDetail], clock: Clock
) -> Any:
    parameter = declaration.parameters[0]
    match parameter.kind:
        case "text":
            return tuple(values.get(parameter.name, ()))
        case "name":  # part of the tree: it may be a prefix
            return declaration.default
        case "data":
            return data_groups(values, faults)
    found = _one(values, parameter.name, _reader(parameter.kind, clock), faults)
    if parameter.kind == "question":
        return And((tree_of(values, faults), EVERYTHING if found is None else found))
    return declaration.default if found is None else found


# --- pairs of name and value -------------------------------------------------------------------


def _grouped(pairs: Sequence[Pair], faults: list[ErrorDetail], known: Sequence[str]) -> Values:
    """Return the values of each known name, in the order they came; blank ones of paths only."""
    values: dict[str, list[str]] = {}
    unknown: dict[str, None] = {}
    for name, value in pairs:
        if name not in known and not name.startswith(PATHS):
            unknown[name] = None
        elif value.strip() or name.startswith(PATHS):
            values.setdefault(name, []).append(value)
    faults.extend(fault(name, unknown_parameter(name, known)) for name in unknown)
    for name, given in list(values.items()):
        if too_much := _over_a_bound(name, given):
            faults.append(too_much)
            del values[name]
    return values


def _over_a_bound(name: str, given: Sequence[str]) -> ErrorDetail | None:
    if len(given) > MAX_VALUES:
        return fault(name, f"is given {len(given)} times, over {MAX_VALUES}")
    if name not in _BOUNDED_BY_ITSELF and any(
        len(text) > MAX_CHARACTERS for text in (name, *given)
    ):
        return fault(name, f"is longer than {MAX_CHARACTERS:,} characters")
    return None


# --- parameters that have one value ------------------------------------------------------------


def _one(
    values: Values, name: str, parse: Callable[[str], T], faults: list[ErrorDetail]
) -> T | None:
    """Return the one value of that name, None if there is a fault; two different ones are one."""
    found: set[T] = set()
    wrong: list[ErrorDetail] = []
    for text in dict.fromkeys(values.get(name, ())):
        try:
            found.add(parse(text))
        except InvalidQuery as invalid:
            wrong += invalid.faults
        except ValueError as error:
            wrong.append(fault(name, str(error)))
    if len(found) > 1:
        wrong.append(fault(name, "is given more than once, with different values"))
    faults.extend(dict.fromkeys(wrong))
    return found.pop() if found and not wrong else None


def _limit(text: str) -> int:
    digits = text.isascii() and text.isdigit()
    if not digits or not 1 <= int(text) <= MAX_LIMIT:
        raise ValueError(f"must be a whole number from 1 to {MAX_LIMIT}")
    return int(text)


def _order(text: str) -> Order:
    match text.lower():
        case "asc":
            return "asc"
        case "desc":
            return "desc"
    raise ValueError("must be asc or desc")


def _reader(kind: Kind, clock: Clock) -> Callable[[str], Any]:
    read = _READERS[kind]
    return lambda text: read(text, clock)


def _stripped(parse: Callable[[str], T]) -> Callable[[str, Clock], T]:
    return lambda text, _: parse(text.strip())


_READERS: Mapping[Kind, Callable[[str, Clock], Any]] = {
    "start": dates.start_of,
    "end": dates.end_of,
    "limit": _stripped(_limit),
    "order": _stripped(_order),
    "cursor": _stripped(cursors.decode),
    "question": parse_question,  # not stripped: its faults count characters
}


# Of each window of time: the fields in `Filters` and the parameters of its start and its end.
_WINDOWS = (
    ("start", "end", "from_date", "to_date"),
    ("occurred_from", "occurred_to", "occurred_from", "occurred_to"),
)


def _refuse_backwards(
    fields: Mapping[str, Any], values: Values, faults: list[ErrorDetail], clock: Clock
) -> None:
    for start_field, end_field, start_name, end_name in _WINDOWS:
        start, end = fields[start_field], fields[end_field]
        if start is None or end is None or start < end:
            continue
        # A day includes itself, so the day after it starts where it ends, and is after it; but
        # from an instant to the same instant is a window, though an empty one.
        if start > dates.start_of(values[end_name][0], clock):
            faults.append(fault(start_name, f"is after {end_name}"))
