"""Which instants the tables of access take: those that Python can read in every time zone."""

from datetime import UTC, datetime

FIRST = datetime(1970, 1, 1, tzinfo=UTC)
LAST = datetime(9999, 1, 1, tzinfo=UTC)


def is_storable(instant: datetime | None) -> bool:
    """Return whether the check constraints of the tables accept the instant; None always."""
    return instant is None or FIRST <= instant <= LAST
