"""The parameter `fresh` of every read. Pure.

A route takes it out of its pairs with `take_fresh`. If it is set, the route calls
`wait_until_fresh` (`api/routes/fresh_read.py`) before it reads anything.
"""

from collections.abc import Sequence

from api.http.error_detail import ErrorDetail
from api.query.pairs import Pair, fault
from storage.model.parameters import Parameter

FRESH = Parameter(
    "fresh",
    "switch",
    "`true`: answer only once every event that was accepted before this request is stored. Waits "
    "5 s at most; then 503.",
)
_VALUES = {"true": True, "false": False}


def take_fresh(pairs: Sequence[Pair], faults: list[ErrorDetail]) -> tuple[bool, list[Pair]]:
    """Return whether the answer must be fresh, and the other pairs; add faults. Blank is absent."""
    return take_switch(FRESH.name, pairs, faults)


def take_switch(
    name: str, pairs: Sequence[Pair], faults: list[ErrorDetail]
) -> tuple[bool, list[Pair]]:
    """Return whether the parameter of that name is true, and the other pairs; add faults."""
    others = [pair for pair in pairs if pair[0] != name]
    texts = {text.strip() for given, text in pairs if given == name} - {""}
    if not texts <= _VALUES.keys():
        faults.append(fault(name, "must be true or false"))
    elif len(texts) > 1:
        faults.append(fault(name, "is given more than once, with different values"))
    return texts == {"true"}, others
