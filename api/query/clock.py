"""The minute at which relative dates are read, the same one for a whole question."""

from datetime import UTC, datetime
from time import time


class Clock:
    """A minute that stands still. `is_read` tells that the question depends on it."""

    def __init__(self, minute: int | None = None) -> None:
        """Set the minute since 1970, by default the current one."""
        self._minute = this_minute() if minute is None else minute
        self.is_read = False

    def minute(self) -> datetime:
        """Return the beginning of the minute."""
        self.is_read = True
        return self.told

    @property
    def told(self) -> datetime:
        """The beginning of the minute, for those who tell it and ask nothing by it."""
        return datetime.fromtimestamp(self._minute * 60, UTC)


def this_minute() -> int:
    """Return the number of whole minutes since 1970."""
    return int(time() // 60)
