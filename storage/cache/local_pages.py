"""The bodies of cached pages in this process, least recently used ones are evicted. Pure.

A local body may be stale: control validates it for each request.
"""

from collections import OrderedDict

from storage.model.cached_page import CachedPage

LOCAL_BYTES = 16 * 1024 * 1024


class LocalPageCache:
    """Pages by the digest of their filters; their bodies have at most `max_bytes` in total."""

    def __init__(self, max_bytes: int = LOCAL_BYTES) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._pages: OrderedDict[str, CachedPage] = OrderedDict()

    def get(self, digest: str) -> CachedPage | None:
        """Return the page last put under the digest, None if there is none."""
        page = self._pages.get(digest)
        if page is not None:
            self._pages.move_to_end(digest)
        return page

    def put(self, digest: str, page: CachedPage) -> None:
        """Replace the page of this digest, and evict the least recently used ones."""
        self._evict(digest)
        self._pages[digest] = page
        self._bytes += len(page.body)
        while self._bytes > self._max_bytes:
            self._evict(next(iter(self._pages)))

    def clear(self) -> None:
        """Evict every page."""
        self._pages.clear()
        self._bytes = 0

    def _evict(self, digest: str) -> None:
        page = self._pages.pop(digest, None)
        self._bytes -= 0 if page is None else len(page.body)
