"""Which shards stand still: they have a backlog, and nothing has left it for a while. Pure."""

from collections.abc import Iterable

from storage.queue.inspector import ShardState

STANDSTILL_SECONDS = 10.0  # longer than starting a drain, or taking one over, ever takes


class Standstill:
    """For each shard with a backlog, since when nothing has left it."""

    def __init__(self) -> None:
        self._since: dict[int, tuple[float, int]] = {}

    def observe(self, at: float, shards: Iterable[ShardState]) -> None:
        """Add an observation of the shards at second `at` of a monotonic clock."""
        for shard in shards:
            left = shard.trimmed + shard.foreign
            known = self._since.get(shard.shard)
            if not shard.backlog:
                self._since.pop(shard.shard, None)
            elif known is None or known[1] != left:
                self._since[shard.shard] = at, left

    def seconds(self, at: float) -> dict[int, float]:
        """Return the shards that stand still for STANDSTILL_SECONDS or more, and for how long."""
        spans = {shard: at - since for shard, (since, _) in self._since.items()}
        return {shard: span for shard, span in spans.items() if span >= STANDSTILL_SECONDS}
