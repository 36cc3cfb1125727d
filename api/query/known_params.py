"""Routes that read one thing: which parameters they have, and that there are no others. Pure."""

from collections.abc import Sequence

from api.http.error_detail import ErrorDetail
from api.http.unknown_parameter import unknown_parameter
from api.query.fresh import FRESH, take_fresh
from api.query.pairs import InvalidQuery, Pair, decoded_pairs, fault


def parse_fresh(query_string: bytes) -> bool:
    """Return whether the answer must be fresh; there is no other parameter. Raises InvalidQuery."""
    faults: list[ErrorDetail] = []
    fresh, others = take_fresh(decoded_pairs(query_string, faults), faults)
    _refuse(others, [FRESH.name], faults)
    return fresh


def require_known(query_string: bytes, known: Sequence[str]) -> None:
    """Raise InvalidQuery for a parameter with another name."""
    faults: list[ErrorDetail] = []
    _refuse(decoded_pairs(query_string, faults), known, faults)


def _refuse(pairs: Sequence[Pair], known: Sequence[str], faults: list[ErrorDetail]) -> None:
    names = dict.fromkeys(name for name, _ in pairs if name not in known)
    faults += [fault(name, unknown_parameter(name, known)) for name in names]
    if faults:
        raise InvalidQuery(faults)
