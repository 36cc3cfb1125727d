"""Invalidate cached pages: a drain begins a write before its commit and ends it after."""

from collections.abc import Iterable

import redis

from storage.errors import control_errors
from storage.redis import keys
from storage.redis.script_runner import run


class CacheInvalidator:
    """The cache's generations on control, as the drains raise them.

    `writer` is a drain's shard, or the name of another who commits events. `oldest_ms` is the
    batch's earliest `created_at`: where that lies in a window thought closed, every closed page
    becomes unfit too. `fence` is the writer's: once a later one has begun a write, what an
    older one says changes nothing.
    """

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def next_fence(self, writer: str) -> int:
        """A fence above all before it, for a writer that no lease gives one.

        Raises ControlUnavailable.
        """
        with control_errors():
            return int(self._client.hincrby(keys.GENERATIONS, f"f:{writer}", 1))

    def has_pending_write(self, writer: int | str) -> bool:
        """Whether the writer has begun a write and not ended it. Raises ControlUnavailable."""
        with control_errors():
            return self._client.zscore(keys.PENDING_WRITERS, str(writer)) is not None

    def begin_write(
        self, writer: int | str, oldest_ms: int, tags: Iterable[str], fence: int
    ) -> None:
        """From now on no page of these tags is served, until `end_write`.

        Comes before the commit: a page read from the cache between a commit and the end of its
        write would miss events that are committed. Raises ControlUnavailable.
        """
        self._run("begin_write", writer, fence, oldest_ms, tags)

    def end_write(self, writer: int | str, oldest_ms: int, tags: Iterable[str], fence: int) -> None:
        """The commit is done: pages read before it never match again. Raises ControlUnavailable."""
        self._run("end_write", writer, fence, oldest_ms, tags)

    def _run(
        self, script: str, writer: int | str, fence: int, oldest_ms: int, tags: Iterable[str]
    ) -> None:
        with control_errors():
            run(
                self._client,
                f"cache/{script}",
                [keys.GENERATIONS, keys.PENDING_WRITERS, keys.pending_tags(writer)],
                [writer, fence, oldest_ms, *sorted(tags)],
            )
