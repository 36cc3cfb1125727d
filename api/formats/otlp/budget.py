"""What one request of OTLP logs may cost: more than the records it may have need. Pure.

Two bytes can be a resource or a value, which takes a microsecond or many, and a hundred bytes of
memory. So of whatever there can be millions in a request, so many are begun and no more.
"""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from api.formats.otlp.records import Refused, attempt
from api.http.problems import Problem

T = TypeVar("T")
P = ParamSpec("P")


class Budget:
    """How many of something are left."""

    def __init__(self, most: int, what: str) -> None:
        self.most = most
        self.what = what
        self._left = most

    def take(self, count: int = 1) -> None:
        """Raises Problem 413 when there are not so many left."""
        self._left -= count
        if self._left < 0:
            raise self.exceeded()

    def exceeded(self) -> Problem:
        """What is told then."""
        return Problem(413, f"The request has more than {self.most} {self.what}.")

    def metered(
        self, make: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> tuple[T | Refused, int]:
        """What `attempt` has of it, and how many it took."""
        before = self._left
        made = attempt(make, *args, **kwargs)
        return made, before - self._left


class Budgets:
    """Of one request, by how many records it may have."""

    def __init__(self, records: int) -> None:
        self.groups = Budget(2 * records, "resources and scopes")
        self.fields = Budget(10 * records, "records, scopes and resources")
        self.elements = Budget(40 * records, "records, scopes and resources")
        # Those of a resource and a scope count with each record, as it is kept with them; an array
        # or object counts as one more, as it costs.
        self.values = Budget(100 * records, "values")
        # Of a request that is not all JSON.
        self.brackets = Budget(200 * records, "arrays and objects, and is not all JSON")
        self.faults = Budget(10 * records, "faults")
