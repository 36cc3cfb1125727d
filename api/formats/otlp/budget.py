"""Bound the work that one request of OTLP logs may cause. Pure.

Two bytes can be a resource or a value, which takes a microsecond or more, and a hundred bytes of
memory. So each kind of part that a request could have millions of has a budget: more than the
allowed number of records needs.
"""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from api.formats.otlp.records import Refused, attempt
from api.http.problems import Problem

T = TypeVar("T")
P = ParamSpec("P")


class Budget:
    """The number of parts of one kind that a request may still have."""

    def __init__(self, limit: int, what: str) -> None:
        self.limit = limit
        self.what = what
        self._left = limit

    def take(self, count: int = 1) -> None:
        """Take `count` from the budget. Raises Problem 413 if fewer are left."""
        self._left -= count
        if self._left < 0:
            raise self.exceeded()

    def exceeded(self) -> Problem:
        """Return the problem of a request that exceeds the budget."""
        return Problem(413, f"The request has more than {self.limit} {self.what}.")

    def metered(
        self, make: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> tuple[T | Refused, int]:
        """Return the result of `attempt`, and how much of the budget it took."""
        before = self._left
        result = attempt(make, *args, **kwargs)
        return result, before - self._left


class Budgets:
    """The budgets of one request, in proportion to the records that it may have."""

    def __init__(self, records: int) -> None:
        self.groups = Budget(2 * records, "resources and scopes")
        self.fields = Budget(10 * records, "records, scopes and resources")
        self.elements = Budget(40 * records, "records, scopes and resources")
        # Each record is kept with its resource and scope, so their values count again for each
        # record. An array or object counts as one value more.
        self.values = Budget(100 * records, "values")
        # Only of a request that is not valid JSON.
        self.brackets = Budget(200 * records, "arrays and objects, and is not valid JSON")
        self.faults = Budget(10 * records, "faults")
