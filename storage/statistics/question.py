"""What a statistic counts: the events of some filters, grouped by a field. Pure."""

from dataclasses import dataclass, replace
from typing import Literal

from storage.model.filters import DECLARATIONS, Filters
from storage.model.where import And, Name, Not, Or, Where

Path = tuple[str, ...]
Group = Literal["component", "environment", "email"] | Path
"""The field whose values are counted; a path is of keys in `data`."""

# The fields of `Filters` that the counts by hour can tell.
_NAMES = (
    "component",
    "environment",
    "within_component",
    "within_environment",
    "not_component",
    "not_environment",
)
_OF_HOURS = {*_NAMES, "start", "end", "where"}


@dataclass(frozen=True, slots=True)
class Question:
    """The events of these filters, in the groups of a field if one is given.

    Of the filters, `limit`, `order` and `cursor` mean nothing here.
    """

    filters: Filters
    group: Group | None = None

    @property
    def is_of_hours(self) -> bool:
        """Whether the counts by hour, component and environment answer it."""
        given = {
            name for name, one in DECLARATIONS.items() if getattr(self.filters, name) != one.default
        }
        return (
            given <= _OF_HOURS
            and _is_of_names(self.filters.where)
            and self.group in (None, "component", "environment")
        )


def _is_of_names(where: Where | None) -> bool:
    match where:
        case None | Name():
            return True
        case And(parts) | Or(parts):
            return all(map(_is_of_names, parts))
        case Not(part):
            return _is_of_names(part)
    return False


def names_only(filters: Filters) -> Filters:
    """Return the filters by component and environment, those of the client's limits included."""
    return Filters(**{name: getattr(filters, name) for name in _NAMES})


def without_times(filters: Filters) -> Filters:
    """Return the same filters for all of time."""
    return replace(filters, start=None, end=None)
