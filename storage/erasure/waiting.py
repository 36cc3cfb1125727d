"""What a step of an erasure waits for."""

import sqlalchemy as sa

from storage.retention.removal import keep_partitions


class Waits(Exception):
    """A step can't go on now; the text says what it waits for."""


def require_partitions(connection: sa.Connection) -> None:
    """Check that all partitions are seen until the transaction ends. Raises Waits."""
    if not keep_partitions(connection):
        raise Waits("retention to finish what it removes")
