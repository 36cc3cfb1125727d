"""What a statistic counts: the events of some filters, grouped by a field. Pure."""

from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Literal

import msgspec

from storage.model.filters import DECLARATIONS, Filters, canonical
from storage.model.name_limits import NameLimits
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
_MEANINGLESS = ("limit", "order", "cursor")
_FORM = 2  # of the counts that are kept under the digest: raise it when their form changes
_OF_HOURS = {*_NAMES, "start", "end", "where"}


@dataclass(frozen=True, slots=True)
class Question:
    """The events of these filters, in the groups of a field if one is given.

    Of the filters, `limit`, `order` and `cursor` mean nothing here. `limits` are the client's,
    which have narrowed the filters.
    """

    filters: Filters
    group: Group | None = None
    limits: NameLimits | None = None

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

    @property
    def digest_of_days(self) -> str:
        """A hash that is equal for questions with the same counts by quarter, in any bars.

        It is the same for all windows of time, and differs for clients with other limits.
        """
        return self._digest("quarters")

    @property
    def digest_of_names(self) -> str:
        """The same for the most frequent values of each day."""
        return self._digest("names")

    def _digest(self, what: str) -> str:
        limits = self.limits.digest if self.limits else None
        asked = msgspec.json.encode([_FORM, what, self.group, limits])
        filters = canonical(without_times(plain(self.filters)))
        return blake2b(filters + asked, digest_size=16).hexdigest()


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


def plain(filters: Filters) -> Filters:
    """Return the same filters without what means nothing here."""
    return replace(filters, **{name: DECLARATIONS[name].default for name in _MEANINGLESS})


def without_times(filters: Filters) -> Filters:
    """Return the same filters for all of time."""
    return replace(filters, start=None, end=None)
