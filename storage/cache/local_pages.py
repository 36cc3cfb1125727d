"""The bodies of cached pages that this process holds, the latest used ones. Pure.

A local body may be stale: control says for each request whether it may be served.
"""

from collections import OrderedDict

from storage.model.cached_page import CachedPage

LOCAL_BYTES = 16 * 1024 * 1024


class LocalPageCache:
    """Pages by the digest of their filters; `most` is the sum of their bodies' bytes."""

    def __init__(self, most: int = LOCAL_BYTES) -> None:
        self._most = most
        self._bytes = 0
        self._pages: OrderedDict[str, CachedPage] = OrderedDict()

    def get(self, digest: str) -> CachedPage | None:
        """The page last held under it."""
        page = self._pages.get(digest)
        if page is not None:
            self._pages.move_to_end(digest)
        return page

    def put(self, digest: str, page: CachedPage) -> None:
        """Hold it instead of the one before, and give up those used longest ago."""
        self._forget(digest)
        self._pages[digest] = page
        self._bytes += len(page.body)
        while self._bytes > self._most:
            self._forget(next(iter(self._pages)))

    def clear(self) -> None:
        """Hold nothing."""
        self._pages.clear()
        self._bytes = 0

    def _forget(self, digest: str) -> None:
        page = self._pages.pop(digest, None)
        self._bytes -= 0 if page is None else len(page.body)
