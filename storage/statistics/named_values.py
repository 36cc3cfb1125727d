"""Which values of a group are counted by name, where it has too many to carry all of them here."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from storage.statistics.marks import MARK_BYTES, MAX_NAMED, Mark, mark_of

MAX_FEW = 1_000
"""Different values of a group that are carried here, one by one."""

PREPARED = 500
"""Values that are counted by name, so that what is kept of a day serves when others are named."""

_LOOKED_AT = 2_000  # of the candidates, for those that an earlier answer has named


class ManyValues(Exception):
    """A group has more than MAX_FEW different values."""


@dataclass(frozen=True, slots=True)
class NamedValues:
    """The values that PostgreSQL counts by name; all others it counts together.

    `named`: the marks of those that the answer names. `marks`: those of all that are counted.
    `values`: they themselves, but those of which only the marks are known, `unknown`.
    """

    named: tuple[Mark, ...]
    marks: frozenset[Mark]
    values: Sequence[str]
    unknown: frozenset[Mark]

    @classmethod
    def of(cls, candidates: Sequence[str], named: Sequence[Mark] = ()) -> "NamedValues":
        """Name those that an earlier answer has named, else the first candidates.

        PREPARED candidates are counted too.
        """
        marks = {mark_of(value): value for value in candidates[:_LOOKED_AT]}
        named = tuple(named or list(marks)[:MAX_NAMED])
        counted = frozenset([*named, *list(marks)[:PREPARED]])
        values = [marks[mark] for mark in counted if mark in marks]
        return cls(named, counted, values, counted - marks.keys())

    def only(self, value: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        """Return the SQL of the value, NULL if it is not counted by name."""
        counted = [value == sa.any_(sa.cast(list(self.values), sa.ARRAY(sa.Text)))]
        if self.unknown:
            digest = sa.func.sha256(sa.func.convert_to(value, "UTF8"))
            marks = sa.cast(sorted(self.unknown), sa.ARRAY(sa.LargeBinary))
            counted.append(sa.func.substr(digest, 1, MARK_BYTES) == sa.any_(marks))
        return sa.case((sa.or_(*counted), value))
