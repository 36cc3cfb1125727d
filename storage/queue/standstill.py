"""Which shards stand still: events wait, and none has left for some time. Pure."""

from collections.abc import Iterable

from storage.queue.inspector import ShardState

STANDSTILL_SECONDS = 10.0  # longer than what starting a drain, or taking one over, ever takes


class Standstill:
    """Since when each shard has had a backlog from which nothing left."""

    def __init__(self) -> None:
        self._since: dict[int, tuple[float, int]] = {}

    def observe(self, at: float, shards: Iterable[ShardState]) -> None:
        """The shards as they were at second `at` of a monotonic clock."""
        for shard in shards:
            left = shard.trimmed + shard.foreign
            known = self._since.get(shard.shard)
            if not shard.backlog:
                self._since.pop(shard.shard, None)
            elif known is None or known[1] != left:
                self._since[shard.shard] = at, left

    def seconds(self, at: float) -> dict[int, float]:
        """How long each of those has stood still that have for STANDSTILL_SECONDS."""
        spans = {shard: at - since for shard, (since, _) in self._since.items()}
        return {shard: span for shard, span in spans.items() if span >= STANDSTILL_SECONDS}
