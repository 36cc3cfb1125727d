"""How many shards there are: those of the settings, and more where more were announced before."""

from storage.settings import MAX_SHARDS


def shard_count(configured: int, announced: float | None) -> int:
    """The shards to look at. What was announced comes from the queue, where others may write."""
    return max(configured, int(min(max(announced or 0, 0), MAX_SHARDS)))


def shard_count_problem(announced: float | None) -> str | None:
    """What to say of a number that no API has announced."""
    if announced is None or 0 < announced <= MAX_SHARDS:
        return None
    return (
        f"somebody else wrote to the queue: events:shards says {announced:g} shards, and there are "
        f"at most {MAX_SHARDS}; remedy: DEL events:shards, then restart the API"
    )
