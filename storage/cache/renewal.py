"""Make everything unusable that the cache holds: its new epoch, after events were removed.

No cache tag says which pages have the events of a removed partition or person. So whoever removes
events begins a cache write with every tag, as a drain does with the tags of a batch. From its
begin on nothing is served from the cache, and nothing that was read before its end ever is: pages
and closed days on control, and the pages that API processes hold, which control validates.
"""

import redis

from storage.cache import tags
from storage.cache.invalidation import CacheInvalidator
from storage.model.wal_position import WalPosition

_TIME_0 = 0  # before everything, so no window counts as closed meanwhile


class CacheRenewal:
    """The cache write of one `writer`, a name of its own. One process at a time may use a name.

    First `begin`, then commit what removes events, then `end`. If control is away at the begin,
    nothing must be removed. If control is away at the end, or the process is killed before it,
    nothing is served from the cache until any process calls `end`: see `has_begun`. A control that
    has lost its data has no page from before.
    """

    def __init__(self, control: redis.Redis, writer: str) -> None:
        self._invalidator = CacheInvalidator(control)
        self._writer = writer

    def begin(self) -> None:
        """Serve nothing from the cache until `end`. Raises ControlUnavailable."""
        fence = self._invalidator.next_fence(self._writer)
        self._invalidator.begin_write(self._writer, _TIME_0, tags.every(), fence)

    def end(self, wal: WalPosition | None = None) -> None:
        """Make all that was read until now unusable, and serve again. Raises ControlUnavailable.

        It does so without a `begin` too. `wal`: a place behind the commit, as for `end_write`.
        """
        fence = self._invalidator.next_fence(self._writer)
        self._invalidator.end_write(self._writer, _TIME_0, tags.every(), fence, wal)

    def has_begun(self) -> bool:
        """Return whether nothing is served because of this writer. Raises ControlUnavailable."""
        return self._invalidator.has_pending_write(self._writer)
