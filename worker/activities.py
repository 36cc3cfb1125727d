"""What a worker process may report that it does. Standard library only: a probe imports this."""

IDLE = "idle"
WAITING = "waiting for control"
NEWER_SCHEMA = "refuses the database's tables, which are of a later version"
REFUSED = "refused by control"  # a wrong password or a missing right


def draining(shard: int) -> str:
    """Return the activity of a drain."""
    return f"shard {shard}"


def storing(shard: int) -> str:
    """Return the activity of a drain that waits for PostgreSQL."""
    return f"shard {shard}, waiting for PostgreSQL"
