"""Which values of which fields are counted, over the events of some filters. Pure."""

from dataclasses import dataclass
from hashlib import blake2b

import msgspec

from storage.model.filters import Filters, canonical
from storage.model.name_limits import NameLimits
from storage.statistics.question import Group, Question, plain, without_times

KEYS_OF_DATA = "data"
DEFAULT_VALUES = 10

_FORM = 2  # of the counts that are kept under the digest: raise it when their form changes


def field_name(field: Group) -> str:
    """Return the name of the field as a parameter: of a path, `data.a.b`."""
    return field if isinstance(field, str) else ".".join(("data", *field))


@dataclass(frozen=True, slots=True)
class FacetQuestion:
    """The values of these fields, and with `has_keys` the keys of `data`.

    `values` is the most that are named of a field. `limits` are the client's, which have narrowed
    the filters.
    """

    filters: Filters
    fields: tuple[Group, ...]
    has_keys: bool = False
    values: int = DEFAULT_VALUES
    limits: NameLimits | None = None

    @property
    def is_of_hours(self) -> bool:
        """Whether the counts by hour answer all of it."""
        return all(Question(self.filters, field).is_of_hours for field in self.fields)

    @property
    def counted(self) -> tuple[Group, ...]:
        """The fields in the order in which counts of a day are kept."""
        return tuple(sorted(self.fields, key=field_name))

    @property
    def digest(self) -> str:
        """A hash that is equal for equal questions of clients with equal limits."""
        return self._digest(plain(self.filters), self.values, self.has_keys)

    @property
    def digest_of_days(self) -> str:
        """The same for all windows of time: what is kept of a closed day serves each of them."""
        return self._digest(without_times(plain(self.filters)))

    def _digest(self, filters: Filters, *more: object) -> str:
        names = [field_name(field) for field in self.counted]
        limits = self.limits.digest if self.limits else None
        asked = msgspec.json.encode([_FORM, "facets", names, limits, *more])
        return blake2b(canonical(filters) + asked, digest_size=16).hexdigest()
