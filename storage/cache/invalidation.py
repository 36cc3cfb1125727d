"""Invalidate cached pages: a drain begins a write before its commit and ends it after."""

from collections.abc import Iterable

import redis

from storage.model.wal_position import WalPosition
from storage.redis import keys
from storage.redis.script_runner import run
from storage.server_errors import control_errors


class CacheInvalidator:
    """Raises the cache's generations on control when events are committed.

    `writer` is a drain's shard, or the name of another committer of events. `oldest_ms` is the
    batch's earliest `created_at` (ms since the epoch): if it lies in a window that counted as
    closed, every closed page becomes invalid too. `fence` is the writer's: once a later fence has
    begun a write, the calls of an older one change nothing.
    """

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def next_fence(self, writer: str) -> int:
        """Return a new, higher fence for a writer that has no lease. Raises ControlUnavailable."""
        with control_errors():
            return int(self._client.hincrby(keys.GENERATIONS, f"f:{writer}", 1))

    def has_pending_write(self, writer: int | str) -> bool:
        """Return whether the writer has not ended its write. Raises ControlUnavailable."""
        with control_errors():
            return self._client.zscore(keys.PENDING_WRITERS, str(writer)) is not None

    def begin_write(
        self, writer: int | str, oldest_ms: int, tags: Iterable[str], fence: int
    ) -> None:
        """Make these tags pending: none of their pages is served until `end_write`.

        Call it before the commit: a page served between a commit and the end of its write would
        miss committed events. Raises ControlUnavailable.
        """
        self._run("begin_write", writer, fence, oldest_ms, tags)

    def end_write(
        self,
        writer: int | str,
        oldest_ms: int,
        tags: Iterable[str],
        fence: int,
        wal: WalPosition | None = None,
    ) -> None:
        """Raise the tags' generations after the commit: pages read before it are invalid.

        `wal`: a place behind the commit, which was read after it. Without it nothing is read from
        standbys until a later write tells one. Raises ControlUnavailable.
        """
        self._run("end_write", writer, fence, oldest_ms, tags, [wal.text if wal else ""])

    def _run(
        self,
        script: str,
        writer: int | str,
        fence: int,
        oldest_ms: int,
        tags: Iterable[str],
        more: Iterable[str] = (),
    ) -> None:
        with control_errors():
            run(
                self._client,
                f"cache/{script}",
                [keys.GENERATIONS, keys.PENDING_WRITERS, keys.pending_tags(writer)],
                [writer, fence, oldest_ms, *more, *sorted(tags)],
            )
