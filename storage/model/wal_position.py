"""Places in PostgreSQL's write-ahead log (WAL): how far a standby must have come. Pure."""

from typing import NamedTuple, Self


class WalPosition(NamedTuple):
    """A place in the WAL of one PostgreSQL system, in bytes.

    After a failover the log goes on in a new timeline, perhaps without the last of the old one. So
    places of two timelines, or of two systems, tell nothing about each other.
    """

    system: int
    timeline: int
    lsn: int

    @property
    def text(self) -> str:
        """Return the form in which control keeps it (`storage/cache/lua/common.lua`)."""
        return f"{self.system}/{self.timeline}/{self.lsn}"

    @classmethod
    def of_text(cls, text: bytes) -> Self | None:
        """Read that form; None if it is empty: unknown."""
        return cls(*map(int, text.split(b"/"))) if text else None

    def includes(self, other: "WalPosition") -> bool:
        """Return whether a server that has come to here has all that was written up to `other`."""
        return self[:2] == other[:2] and self.lsn >= other.lsn
