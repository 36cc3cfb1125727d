"""The problem document that lists what is wrong with an event, within bounds. Pure."""

from collections.abc import Sequence
from itertools import accumulate

from api.http.error_detail import ErrorDetail
from api.http.problems import Problem

# A response should not be many times as large as the request that caused it.
MAX_ERRORS = 100
_MAX_POINTER_CHARACTERS = 64 * 1024  # of all pointers together

_FIRST_OF_MORE = "More than {} things are wrong; these are the first of them."


def validation_problem(faults: Sequence[ErrorDetail], more: bool = False) -> Problem:
    """Return the 422 with as many faults as a response may hold.

    `more`: further faults exist that are not among these.
    """
    count, shown = len(faults), _count_shown(faults)
    if shown < count or more:
        return Problem(422, _FIRST_OF_MORE.format(shown), faults[:shown])
    return Problem(422, f"{count} {'thing is' if count == 1 else 'things are'} wrong.", faults)


def is_truncated(problem: Problem) -> bool:
    """Return whether more faults exist than the problem lists."""
    return problem.detail == _FIRST_OF_MORE.format(len(problem.faults))


def _count_shown(faults: Sequence[ErrorDetail]) -> int:
    """Return how many faults a response has room for: at least one."""
    sizes = accumulate(len(fault.pointer or "") for fault in faults[:MAX_ERRORS])
    return max(1, sum(size <= _MAX_POINTER_CHARACTERS for size in sizes))
