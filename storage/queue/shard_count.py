"""How many shards there are: as configured, or more if more were announced before."""

from storage.settings import MAX_SHARDS


def shard_count(configured: int, announced: float | None) -> int:
    """Return the number of shards. Bound `announced`: others may have written it to the queue."""
    return max(configured, int(min(max(announced or 0, 0), MAX_SHARDS)))


def shard_count_problem(announced: float | None) -> str | None:
    """Describe a number of shards that no API process can have announced, or return None."""
    if announced is None or 0 < announced <= MAX_SHARDS:
        return None
    return (
        f"somebody else wrote to the queue: events:shards says {announced:g} shards, and there are "
        f"at most {MAX_SHARDS}; remedy: DEL events:shards, then restart the API"
    )
