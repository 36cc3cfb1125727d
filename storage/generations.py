"""What keeps cached pages honest, on the drain's side: mark before the commit, publish after it."""

from collections.abc import Iterable

import redis

from storage import keys
from storage.errors import control_errors
from storage.scripts import source


class Generations:
    """The cache's generations on control, as the drains raise them.

    `oldest_ms` is the batch's earliest `created_at`: where that lies in a window thought closed,
    every page becomes unfit.
    """

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def mark(self, shard: int, oldest_ms: int, buckets: Iterable[str]) -> None:
        """From now on no page of these buckets is served, until `publish`.

        Comes before the commit: a page read from the cache between a commit and its publication
        would miss events that are committed. Raises ControlUnavailable.
        """
        self._run("mark", shard, oldest_ms, buckets)

    def publish(self, shard: int, oldest_ms: int, buckets: Iterable[str]) -> None:
        """The commit is done: pages read before it never match again. Raises ControlUnavailable."""
        self._run("publish", shard, oldest_ms, buckets)

    def _run(self, script: str, shard: int, oldest_ms: int, buckets: Iterable[str]) -> None:
        with control_errors():
            call = self._client.register_script(source(f"cache/{script}"))
            call(keys=[keys.GENERATIONS, keys.marks(shard)], args=[oldest_ms, *sorted(buckets)])
